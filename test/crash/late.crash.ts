import { createHmac } from 'node:crypto';
import { readLog } from '../chaos/checker';
import { waitFor } from '../support/wait';
import { acceptedOf, rowOf } from './notify-points';
import { NotifyRig, type Told } from './notify-rig';

/**
 * Hours that pass at the provider: an outage that outlives the news, and a report that comes a day late. Source:
 * reliability, section 6, rows 46 and 50. The rows are aged instead of waited for.
 */
let rig: NotifyRig;
const struck: Record<string, number> = {};

beforeAll(async () => {
  rig = await NotifyRig.open({ AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'sms=2' });
}, 120_000);
afterEach(() => rig.control({ reset: true }));
afterAll(() => rig.stack.stop(), 60_000);

const EXPIRED = 'notification.ended: order.confirmed: EXPIRED, expired';

/** The news is too old in a moment. */
async function expireSoon({ notificationId }: Told): Promise<void> {
  await rig.stack.database.pool.query(
    `update aftercommit.notifications set expires_at = now() + interval '1 second' where notification_id = $1`,
    [notificationId],
  );
}

const isExpired = async ({ notificationId }: Told): Promise<boolean> => {
  const { rowCount } = await rig.stack.database.pool.query(
    'select 1 from aftercommit.notifications where notification_id = $1 and expires_at < now()',
    [notificationId],
  );
  return rowCount === 1;
};

const requestsTo = ({ phone }: Told): number =>
  readLog(rig.stack.logFiles.twilio).filter(
    (entry) => entry.type === 'request' && JSON.stringify(entry['form']).includes(phone),
  ).length;

it('a message that never left during an outage expires in it, and is not sent afterwards', async () => {
  const { workerTwilio } = rig.stack.links;
  const told = rig.know('unreachable', ['sms']);
  await workerTwilio.refuse();
  workerTwilio.cut();
  rig.place(told);
  await waitFor('it was tried', async () => {
    const { attempts } = await rig.read(told);
    return attempts[0]?.errorCode === 'ECONNREFUSED';
  });

  await expireSoon(told);

  await rig.end(told, 'EXPIRED');
  expect(await rig.timeline(told)).toContain(EXPIRED);
  await workerTwilio.accept();
  // The provider works again: the next one is delivered, and this one stays.
  const next = rig.know('after-unreachable', ['sms']);
  rig.place(next);
  await rig.end(next, 'DELIVERED');
  struck['unreachable'] = 1;
  expect(requestsTo(told)).toBe(0);
  expect(await rig.read(told)).toMatchObject({ status: 'EXPIRED', attempts: [{ state: 'REJECTED' }] });
});

it('a message that may have left is looked up after the outage, and is not sent again when it is too old', async () => {
  const told = rig.know('down', ['sms']);
  await rig.control({ down: true });
  rig.place(told);
  const attempt = rig.attempt(told);
  await waitFor(
    'its outcome is unknown',
    async () => (await rowOf(rig.stack, attempt))?.state === 'AMBIGUOUS',
  );

  await expireSoon(told);
  await waitFor('it is too old', () => isExpired(told));
  await rig.control({ down: false });

  await rig.end(told, 'EXPIRED');
  struck['down'] = 1;
  expect(await rig.timeline(told)).toContain(EXPIRED);
  expect(requestsTo(told)).toBe(1);
  expect(await rig.accountFor(told)).toEqual({});
});

/** Everything about it happened a day earlier. */
async function ageByADay({ notificationId }: Told): Promise<void> {
  const earlier = (...columns: string[]): string =>
    columns.map((column) => `${column} = ${column} - interval '24 hours'`).join(', ');
  await rig.stack.database.pool.query(
    `update aftercommit.notifications set ${earlier('created_at', 'updated_at', 'ended_at', 'expires_at')}
     where notification_id = $1`,
    [notificationId],
  );
  await rig.stack.database.pool.query(
    `update aftercommit.notification_attempts
     set ${earlier('created_at', 'next_attempt_at', 'started_at', 'silent_at', 'accepted_at', 'finished_at', 'outcome_at')}
     where notification_id = $1`,
    [notificationId],
  );
}

/** A report as the provider signs it, to the address that the message was sent with. */
async function report(told: Told, status: string): Promise<Response> {
  const [sid] = acceptedOf(rig.stack, rig.attempt(told));
  const accepted = readLog(rig.stack.logFiles.twilio).find(
    (entry) => entry.type === 'accepted' && entry['sid'] === sid,
  )!;
  const url = String(accepted['statusCallback']);
  const params = { MessageSid: String(sid), MessageStatus: status, To: told.phone };
  const signed = Object.entries(params)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .reduce((text, [name, value]) => text + name + value, url);
  const signature = createHmac('sha1', 'fake').update(signed).digest('base64');
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    'X-Twilio-Signature': signature,
  };
  return fetch(url, { method: 'POST', headers, body: new URLSearchParams(params).toString() });
}

it('a report that comes a day late ends as DELIVERED what was given up', async () => {
  const told = rig.know('late', ['sms']);
  await rig.control({ outcomes: [{ stopAfter: 'sent' }] });
  rig.place(told);
  await waitFor('nobody was reached', async () => (await rig.read(told)).status === 'UNREACHED');
  await ageByADay(told);

  const answer = await report(told, 'delivered');

  expect(answer.status).toBe(204);
  const { attempts } = await rig.end(told, 'DELIVERED');
  struck['late'] = 1;
  expect(attempts).toEqual([expect.objectContaining({ outcome: 'delivered' })]);
  expect(await rig.timeline(told)).toContain('notification.ended: order.confirmed: DELIVERED');
  expect(await rig.accountFor(told)).toEqual({ sms: 1 });
});

it('every promise was kept', async () => {
  expect(await rig.violations(4, struck)).toEqual([]);
});
