import { outcomeOf, rankOf } from '../../src/domain/message-status';

const report = (status: string, errorCode: string | null = null, answeredBy: string | null = null) =>
  outcomeOf({ status, errorCode, answeredBy });

it.each(['queued', 'sending', 'sent', 'ringing', 'in-progress', 'teleported'])(
  'nothing final is known of a message that is %s',
  (status) => expect(report(status).outcome).toBeNull(),
);

it.each([
  ['delivered', null],
  ['read', null],
  ['completed', 'human'],
  ['completed', 'unknown'],
  ['completed', null],
])('%s, answered by %s, reached the person', (status, answeredBy) =>
  expect(report(status, null, answeredBy)).toEqual({ outcome: 'delivered', code: null }),
);

it.each([
  ['undelivered', '30003', null, '30003'],
  ['failed', '63016', null, '63016'],
  ['failed', null, null, 'failed'],
  ['no-answer', null, null, 'no_answer'],
  ['busy', null, null, 'busy'],
  ['completed', null, 'machine_start', 'answered_by_machine'],
  ['completed', null, 'fax', 'answered_by_machine'],
])('%s with %s, answered by %s, did not: %s', (status, errorCode, answeredBy, code) =>
  expect(report(status, errorCode, answeredBy)).toEqual({ outcome: 'failed', code }),
);

it('ranks what arrived above what failed, and both above what is under way', () => {
  const ranks = ['queued', 'sending', 'sent', 'undelivered', 'delivered', 'read'].map(rankOf);

  expect(ranks).toEqual([...ranks].sort((a, b) => a! - b!));
  expect(new Set(ranks).size).toBe(ranks.length);
});

it.each(['teleported', '', 'toString', '__proto__'])('knows no status %j', (status) =>
  expect(rankOf(status)).toBeNull(),
);
