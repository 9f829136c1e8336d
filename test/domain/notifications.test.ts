import fc from 'fast-check';
import {
  conclude,
  DEFAULT_NOTIFICATION_WAITS as waits,
  NOT_FOUND,
  NOT_NEEDED,
  nextStep,
  templateFor,
  unsentRetryInMs,
  type AttemptFact,
  type AttemptState,
  type CurrentNotification,
  type LatestAttempt,
} from '../../src/domain/notifications';

const NOW = 2_000_000;
const options = { waits, providerTimeoutMs: 10_000, now: NOW };

function notification(
  state: AttemptState,
  over: Partial<LatestAttempt> = {},
  rest: Partial<CurrentNotification> = {},
): CurrentNotification {
  const attempt: LatestAttempt = {
    attemptId: 'a',
    channel: 'sms',
    state,
    outcome: null,
    sendUntil: null,
    nextAttemptAt: 100,
    ambiguousAt: 1_000,
    silentAt: null,
    lookUps: 0,
    lookedUpAt: null,
    ...over,
  };
  return {
    status: 'PENDING',
    expiresAt: NOW + 1_000_000,
    onAmbiguous: { sms: 'resend', whatsapp: 'resend', voice: 'hold' },
    resends: 0,
    hasMessage: false,
    lost: null,
    attempt,
    ...rest,
  };
}

describe('the next step of a notification', () => {
  it('sends what is certainly unsent', () => {
    expect(nextStep(notification('READY'), options)).toEqual({ kind: 'send', attemptId: 'a', at: 100 });
  });

  it('does not send news that is too old, now or when it would be due', () => {
    const late = notification('READY', {}, { expiresAt: NOW });
    const dueTooLate = notification('READY', { nextAttemptAt: NOW + 5 }, { expiresAt: NOW + 5 });

    expect(nextStep(late, options)).toEqual({ kind: 'expire', attemptId: 'a', at: NOW });
    expect(nextStep(dueTooLate, options)).toEqual({ kind: 'expire', attemptId: 'a', at: NOW + 5 });
  });

  it('waits for the provider to time out before it calls a lost sender ambiguous', () => {
    expect(nextStep(notification('SENDING', { sendUntil: 5_000 }), options)).toMatchObject({
      kind: 'declare_ambiguous',
      at: 15_000,
    });
  });

  it('looks an ambiguous message up twice before it sends again', () => {
    const steps = [0, 1, 2].map((lookUps) =>
      nextStep(notification('AMBIGUOUS', { lookUps, lookedUpAt: 40_000 }), options),
    );

    expect(steps).toEqual([
      { kind: 'look_up', attemptId: 'a', at: 31_000 },
      { kind: 'look_up', attemptId: 'a', at: 100_000 },
      { kind: 'resend', attemptId: 'a', at: 40_000 },
    ]);
  });

  it('leaves it to an operator when the template says so, or after two messages that nobody could find', () => {
    const call = notification('AMBIGUOUS', { channel: 'voice', lookUps: 2 });
    const third = notification('AMBIGUOUS', { lookUps: 2 }, { resends: 2 });

    expect(nextStep(call, options)).toMatchObject({ kind: 'hold' });
    expect(nextStep(third, options)).toMatchObject({ kind: 'hold' });
  });

  it('still looks for a message once its notification has ended, and sends nothing more', () => {
    const cancelled = { status: 'SUPPRESSED' } as const;

    expect(nextStep(notification('AMBIGUOUS', {}, cancelled), options)).toMatchObject({ kind: 'look_up' });
    expect(nextStep(notification('AMBIGUOUS', { lookUps: 2 }, cancelled), options)).toMatchObject({
      kind: 'abandon',
    });
    expect(nextStep(notification('READY', {}, cancelled), options)).toEqual({ kind: 'done' });
  });

  it('sends nothing again on a channel where a message was found after all', () => {
    expect(nextStep(notification('AMBIGUOUS', { lookUps: 2 }, { hasMessage: true }), options)).toMatchObject({
      kind: 'abandon',
    });
  });

  it('asks the provider about an accepted message that stays silent', () => {
    expect(nextStep(notification('ACCEPTED', { silentAt: 7_000 }), options)).toEqual({
      kind: 'ask',
      attemptId: 'a',
      at: 7_000,
    });
  });

  it('looks once more for a message that was given up, between the other steps or after them', () => {
    const lost = { attemptId: 'b', givenUpAt: 1_000 };
    const at = 1_000 + waits.lateLookUpMs;
    const done = notification('REJECTED', {}, { lost });
    const asksBefore = notification('ACCEPTED', { silentAt: at - 1 }, { lost });
    const asksAfter = notification('ACCEPTED', { silentAt: at + 1 }, { lost });

    expect(nextStep(done, options)).toEqual({ kind: 'look_again', attemptId: 'b', at });
    expect(nextStep(asksBefore, options)).toMatchObject({ kind: 'ask' });
    expect(nextStep(asksAfter, options)).toMatchObject({ kind: 'look_again' });
  });

  it('never sends anything while an outcome is unknown and was not looked up twice', () => {
    const states = fc.constantFrom<AttemptState>('SENDING', 'AMBIGUOUS', 'ACCEPTED', 'REJECTED', 'HELD');
    fc.assert(
      fc.property(states, fc.integer({ min: 0, max: 1 }), fc.nat(), (state, lookUps, sendUntil) => {
        expect(['send', 'resend']).not.toContain(
          nextStep(notification(state, { lookUps, sendUntil }), options).kind,
        );
      }),
    );
  });

  it.each([
    ['REJECTED', null],
    ['HELD', null],
    ['ACCEPTED', 'delivered'],
    ['ACCEPTED', 'failed'],
  ] as const)('ends at %s, %s', (state, outcome) => {
    expect(nextStep(notification(state, { outcome }), options)).toEqual({ kind: 'done' });
  });
});

describe('what follows from the attempts', () => {
  const pending = { status: 'PENDING', channels: ['whatsapp', 'sms', 'voice'] } as const;
  const fact = (over: Partial<AttemptFact>): AttemptFact => ({
    channel: 'whatsapp',
    state: 'ACCEPTED',
    outcome: null,
    errorCode: null,
    ...over,
  });
  const failed = fact({ outcome: 'failed', errorCode: '63016' });

  it.each(['READY', 'SENDING', 'AMBIGUOUS', 'HELD', 'ACCEPTED'] as const)('nothing yet at %s', (state) =>
    expect(conclude(pending, [fact({ state })])).toEqual({ kind: 'none' }),
  );

  it.each([
    ['did not arrive', failed],
    ['was refused', fact({ state: 'REJECTED', outcome: 'failed', errorCode: '21211' })],
    ['stayed silent', fact({ outcome: 'silent', errorCode: 'silence' })],
  ])('the next channel after a message that %s', (_what, instead) =>
    expect(conclude(pending, [instead])).toEqual({ kind: 'next', channel: 'sms', instead }),
  );

  it('the end as UNREACHED after the last channel, with the reason of the last', () => {
    const last = fact({ channel: 'voice', outcome: 'failed', errorCode: 'no_answer' });

    expect(conclude(pending, [failed, last])).toEqual({
      kind: 'end',
      status: 'UNREACHED',
      reason: 'no_answer',
    });
  });

  it('the end as SUPPRESSED when nothing was sent, as UNREACHED when something was', () => {
    const suppressed = fact({ state: 'REJECTED', outcome: 'suppressed', errorCode: 'opted_out' });

    expect(conclude(pending, [suppressed])).toEqual({
      kind: 'end',
      status: 'SUPPRESSED',
      reason: 'opted_out',
    });
    expect(conclude(pending, [failed, { ...suppressed, channel: 'sms' }])).toEqual({
      kind: 'end',
      status: 'UNREACHED',
      reason: '63016',
    });
  });

  it.each(['PENDING', 'UNREACHED', 'SUPPRESSED', 'EXPIRED'] as const)(
    'DELIVERED once a message arrived, also after %s',
    (status) =>
      expect(
        conclude({ ...pending, status }, [
          fact({ outcome: 'delivered' }),
          fact({ channel: 'sms', state: 'READY' }),
        ]),
      ).toEqual({ kind: 'end', status: 'DELIVERED', reason: null }),
  );

  it('nothing of what was closed because it was not needed', () => {
    const found = fact({ channel: 'sms' });
    const dropped = fact({ channel: 'sms', state: 'REJECTED', errorCode: NOT_NEEDED });

    expect(conclude(pending, [found, dropped])).toEqual({ kind: 'none' });
  });

  it('nothing while a message that was found late may still reach the person', () => {
    const refused = fact({ state: 'REJECTED', outcome: 'failed', errorCode: '21211' });

    expect(conclude(pending, [fact({}), refused])).toEqual({ kind: 'none' });
  });

  it('nothing more once it has ended', () => {
    expect(conclude({ ...pending, status: 'SUPPRESSED' }, [failed])).toEqual({ kind: 'none' });
    expect(
      conclude({ ...pending, status: 'SUPPRESSED' }, [fact({ state: 'REJECTED', errorCode: NOT_FOUND })]),
    ).toEqual({ kind: 'none' });
  });
});

it('asks a provider that is away less and less often, but at least every five minutes', () => {
  expect([0, 1, 2, 99].map((before) => unsentRetryInMs(before, waits))).toEqual([
    5_000, 10_000, 20_000, 300_000,
  ]);
});

it('tells nothing before the money is sure', () => {
  expect(templateFor('order.placed')).toBeNull();
  expect(templateFor('order.confirmed')).toBe('order.confirmed');
});
