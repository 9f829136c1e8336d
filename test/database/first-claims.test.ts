import type { AskedOrder, CommitOutcome } from '../../src/database/commits';
import { claimDeliveries, type ClaimedDelivery } from '../../src/database/deliveries';
import type { FirstSender } from '../../src/database/first-claims';
import { claimAttempts, type ClaimedAttempt } from '../../src/database/notification-attempts';
import { rulesVersion } from '../../src/database/rules';
import { envelopeText } from '../../src/domain/events';
import type { FrozenRoute } from '../../src/database/routing';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { logTargets } from './bus-fixtures';
import { askedOf, commitUnder, openedGroup, stocked } from './group-fixtures';
import { phoneHash } from './place';

/** What a commit claims for its sender has to be what a claim of its own would have found. */
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await logTargets(database.pool, ['one', 'two', 'paused']);
  await database.pool.query(`update aftercommit.targets set state = 'PAUSED' where name = 'paused'`);
  await stocked(database.pool, 'SKU', 10_000);
});
afterAll(() => database.drop());

const ROUTES: FrozenRoute[] = ['one', 'two', 'paused'].map((targetName) => ({
  ruleName: 'rule',
  targetName,
  transformer: targetName === 'two' ? { input: '{}' } : null,
}));
const MESSAGES = {
  forMs: 5_000,
  silenceMs: { sms: 60_000, whatsapp: 120_000, voice: 180_000 },
  configured: new Set(['sms', 'voice']),
  isCounted: true,
};
const SENDER: FirstSender = {
  claimedBy: 'sender',
  deliveriesForMs: 45_000,
  exceptTargets: [],
  messages: MESSAGES,
};

async function commit(order: AskedOrder, sender: FirstSender | null): Promise<CommitOutcome> {
  const { pool } = database;
  const rules = { version: await rulesVersion(pool), route: () => ROUTES };
  const [outcome] = await commitUnder(pool, await openedGroup(pool), [order], { rules, sender });
  return outcome!;
}

let orders = 0;
const orderOf = (phone: string, channels = ['whatsapp', 'sms', 'voice']): AskedOrder => {
  const order = askedOf(`first ${(orders += 1)}`, 'SKU', { customerId: `cus ${phone}` });
  return {
    ...order,
    request: { ...order.request, customer: { ...order.request.customer, phone, channels } },
  };
};

async function claimsLater(order: AskedOrder): Promise<{
  deliveries: ClaimedDelivery[];
  message: ClaimedAttempt | null;
}> {
  await commit(order, null);
  const { pool } = database;
  const deliveries = await claimDeliveries(pool, {
    scope: { aggregateId: order.orderId },
    claimedBy: 'later',
    sendForMs: 45_000,
  });
  const [message] = await claimAttempts(pool, {
    orderIds: [order.orderId],
    claimedBy: 'later',
    ...MESSAGES,
  });
  return { deliveries, message: message ?? null };
}

/** Without what two orders, or two moments, cannot have in common. */
function comparable(claims: { deliveries: readonly ClaimedDelivery[]; message: ClaimedAttempt | null }) {
  const { message } = claims;
  return {
    deliveries: claims.deliveries
      .map(({ event, deliveryId, orderingKey, firstAttemptAt, ...rest }) => ({
        ...rest,
        isOfEvent: orderingKey === event.detail.orderId && deliveryId !== event.id && firstAttemptAt !== '',
        // The very bytes: a repeat is read from the row.
        text: envelopeText({ ...event, id: '', time: '' }).replaceAll(orderingKey, ''),
      }))
      .sort((a, b) => a.targetName.localeCompare(b.targetName)),
    message:
      message === null
        ? null
        : {
            ...message,
            attemptId: '',
            notificationId: '',
            orderId: '',
            startedAt: '',
            person: { ...message.person, messagesToday: message.person.messagesToday !== null },
          },
  };
}

const PEOPLE: [string, (phone: string) => Promise<unknown>][] = [
  ['of whom nothing is known', () => Promise.resolve()],
  [
    'with wishes',
    (phone) =>
      database.pool.query(
        `insert into aftercommit.customer_preferences (customer_id, channels, language, time_zone, quiet_hours)
         values ($1, '{voice,sms}', 'de', 'Europe/Berlin', '{"from":"22:00","until":"07:00"}')`,
        [`cus_${phone}`],
      ),
  ],
  [
    'who wants to hear nothing',
    (phone) =>
      database.pool.query(
        `insert into aftercommit.customer_preferences (customer_id, channels) values ($1, '{}')`,
        [`cus_${phone}`],
      ),
  ],
  [
    'who has said STOP and has written',
    (phone) =>
      database.pool.query(
        `insert into aftercommit.recipients (phone_hash, channel, opted_out_at, last_inbound_at)
         values ($1, 'sms', now(), null), ($1, 'whatsapp', null, '2026-01-02T03:04:05Z')`,
        [phoneHash(phone)],
      ),
  ],
];

it.each(PEOPLE)('for somebody %s it is what a claim finds', async (_who, know) => {
  const phone = `+1415555${String(1_000 + (orders += 1)).slice(-4)}`;
  await know(phone);

  const first = await commit(orderOf(phone), SENDER);
  const later = await claimsLater(orderOf(phone));

  expect(comparable(first.claims!)).toEqual(comparable(later));
  expect(first.claims!.deliveries.map(({ targetName }) => targetName)).toEqual(['one', 'two']);
});

it('nobody else gets it before its time is up, and the first attempt that vanished is written down then', async () => {
  const { pool } = database;
  const order = orderOf('+14155550001');
  const { claims } = await commit(order, SENDER);
  const again = () =>
    claimDeliveries(pool, {
      scope: { aggregateId: order.orderId },
      claimedBy: 'other',
      sendForMs: 45_000,
    });

  expect(await again()).toEqual([]);
  expect(await claimAttempts(pool, { orderIds: [order.orderId], claimedBy: 'other', ...MESSAGES })).toEqual(
    [],
  );
  await pool.query(`update aftercommit.deliveries set send_until = now() where aggregate_id = $1`, [
    order.orderId,
  ]);
  expect((await again()).map(({ attempt }) => attempt)).toEqual([2, 2]);
  const { rows } = await pool.query(
    'select n, result from aftercommit.delivery_attempts where delivery_id = $1 order by n',
    [claims!.deliveries[0]!.deliveryId],
  );
  expect(rows).toEqual([
    { n: 1, result: null },
    { n: 2, result: null },
  ]);
});

it('leaves alone what its sender leaves alone, and a repeat has nothing to send', async () => {
  const order = orderOf('+14155550002');
  const careful = { ...SENDER, exceptTargets: ['one'], messages: null };

  const first = await commit(order, careful);
  const repeat = await commit(order, SENDER);

  expect(first.claims!.deliveries.map(({ targetName }) => targetName)).toEqual(['two']);
  expect(first.claims!.message).toBeNull();
  expect(repeat).toMatchObject({ decidedNow: false, claims: null });
  const { rows } = await database.pool.query(
    `select target_name, state, attempts from aftercommit.deliveries where aggregate_id = $1
     union all select 'message', state, sends from aftercommit.notification_attempts where order_id = $1 order by 1`,
    [order.orderId],
  );
  expect(rows).toEqual([
    { target_name: 'message', state: 'READY', attempts: 0 },
    { target_name: 'one', state: 'READY', attempts: 0 },
    { target_name: 'paused', state: 'READY', attempts: 0 },
    { target_name: 'two', state: 'SENDING', attempts: 1 },
  ]);
});

it("counts the day's messages of a number once for each", async () => {
  const phone = '+14155550003';

  const first = await commit(orderOf(phone), SENDER);
  const second = await commit(orderOf(phone), SENDER);

  expect(first.claims!.message!.person.messagesToday).toBe(1);
  expect(second.claims!.message!.person.messagesToday).toBe(2);
});
