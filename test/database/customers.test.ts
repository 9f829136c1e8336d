import { eraseCustomer, readContact } from '../../src/database/customers';
import { recordInbound } from '../../src/database/inbound';
import { holdAttempt, recordRejected } from '../../src/database/notifications';
import { placeOrders } from '../../src/database/orders';
import type { Pool } from '../../src/database/pool';
import { putPreferences } from '../../src/database/preferences';
import { recordReport } from '../../src/database/provider-reports';
import { acceptRequest } from '../../src/database/requests';
import { uuidV5 } from '../../src/database/ids';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { accepted, ambiguous, claimed, claimOf, sidOf } from './notification-fixtures';
import { AT, phoneHash, placeOne } from './place';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  ({ pool } = database);
});
afterAll(() => database.drop());

const erase = (customerId: string): Promise<string> => eraseCustomer(pool, { customerId, actor: 'operator' });

/** Names of the tables in which any row has this text. */
async function tablesWith(text: string): Promise<string[]> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'aftercommit' order by 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await pool.query<{ row: string }>(`select t::text as row from aftercommit."${name}" t`);
    if (rows.some(({ row }) => row.includes(text))) found.push(name);
  }
  return found;
}

async function audits(customerId: string): Promise<unknown[]> {
  const { rows } = await pool.query<object>(
    `select actor, detail from aftercommit.audit where action = 'customer.erase' and subject = $1`,
    [customerId],
  );
  return rows;
}

/** A request of a customer that was written and is not decided. */
async function request(name: string, customerId: string, phone: string): Promise<void> {
  const orderId = uuidV5('00000000-0000-4000-8000-000000000000', name);
  const body = {
    customer: { id: customerId, phone, channels: ['sms'], country: 'US' },
    lines: [{ sku: 'SKU-nothing', quantity: 1, unitPriceMinor: 100 }],
    currency: 'EUR',
    payment: { mode: 'none' as const },
  };
  await acceptRequest(pool, { orderId, caller: 'test', fingerprint: name, body });
}

/** Decides it: there is no such SKU. */
async function refuse(name: string, customerId: string, phone: string): Promise<void> {
  await request(name, customerId, phone);
  const orderId = uuidV5('00000000-0000-4000-8000-000000000000', name);
  const { rows } = await pool.query<{ body: Parameters<typeof placeOrders>[1][0]['request'] }>(
    'select body from aftercommit.order_requests where order_id = $1',
    [orderId],
  );
  const places = { temporalUiUrl: null, namespace: 'default' };
  const orders = [{ orderId, caller: 'test', request: rows[0]!.body }];
  expect(await placeOrders(pool, orders, { at: AT, places, phoneHash })).toMatchObject([
    { state: 'refused' },
  ]);
}

/** Everything that the service can come to know of a person. */
async function live(customerId: string, phone: string): Promise<{ acceptedOrder: string }> {
  const order = { customerId, phone, channels: ['whatsapp', 'sms', 'voice'] };
  const preferences = {
    channels: ['sms' as const, 'whatsapp' as const],
    language: 'de',
    timeZone: 'Pacific/Chatham',
    quietHours: { from: '21:17', until: '06:43' },
  };
  await putPreferences(pool, { customerId, preferences, actor: 'operator' });
  const { orderId } = await accepted(pool, `${customerId} accepted`, sidOf(customerId.length), order);
  await recordReport(pool, {
    sid: sidOf(customerId.length),
    attemptId: null,
    status: 'delivered',
    errorCode: null,
    answeredBy: null,
  });
  const held = await ambiguous(pool, `${customerId} held`, order);
  await holdAttempt(pool, held.attemptId, `notify/${held.notificationId}`);
  const { attemptId } = await claimed(pool, `${customerId} refused`, order);
  await recordRejected(pool, { attemptId, code: '21211', message: 'no such number', latencyMs: 3 });
  await placeOne(pool, `${customerId} unsent`, 'none', order);
  await placeOne(pool, `${customerId} unpaid`, 'charge', order);
  await refuse(`${customerId} without stock`, customerId, phone);
  const hash = phoneHash(phone);
  await recordInbound(pool, { phoneHash: hash, channel: 'whatsapp', wish: null });
  await recordInbound(pool, { phoneHash: hash, channel: 'sms', wish: 'stop' });
  return { acceptedOrder: orderId };
}

describe('the erasure of a person', () => {
  it('leaves neither number nor wish anywhere, and of its hash only the STOP', async () => {
    const phone = '+4915112300713';
    const { acceptedOrder } = await live('cus_canary', phone);
    expect(await tablesWith(phone)).toEqual(['order_contacts']);
    expect(await tablesWith(phoneHash(phone))).toEqual([
      'notification_attempts',
      'order_contacts',
      'recipient_days',
      'recipients',
    ]);
    expect(await tablesWith('Chatham')).toEqual(['customer_preferences']);

    expect(await erase('cus_canary')).toBe('erased');

    for (const canary of [phone, phone.slice(1), phone.slice(4), 'Chatham', '21:17']) {
      expect([canary, await tablesWith(canary)]).toEqual([canary, []]);
    }
    expect(await tablesWith(phoneHash(phone))).toEqual(['recipients']);
    const { rows: kept } = await pool.query(
      `select channel, opted_out_at is not null as "optedOut", opt_out_source as source, last_inbound_at as "wrote"
       from aftercommit.recipients where phone_hash = $1`,
      [phoneHash(phone)],
    );
    expect(kept).toEqual([{ channel: 'sms', optedOut: true, source: 'inbound', wrote: null }]);
    expect(await readContact(pool, acceptedOrder)).toBeNull();
    const { rows: languages } = await pool.query(
      'select distinct language from aftercommit.notifications where customer_id = $1',
      ['cus_canary'],
    );
    expect(languages).toEqual([{ language: null }]);
  });

  it('keeps the books: orders, and what was sent', async () => {
    const { acceptedOrder } = await live('cus_books', '+4915112300714');
    const books = async (): Promise<unknown> =>
      (
        await pool.query(
          `select o.customer_id, o.status, o.total_minor, n.status as told, a.message_sid, a.outcome, a.accepted_at
           from aftercommit.orders o join aftercommit.notifications n using (order_id)
           join aftercommit.notification_attempts a using (notification_id) where o.order_id = $1`,
          [acceptedOrder],
        )
      ).rows;
    const before = await books();

    await erase('cus_books');

    expect(before).toMatchObject([{ customer_id: 'cus_books', told: 'DELIVERED', outcome: 'delivered' }]);
    expect(await books()).toEqual(before);
  });

  it('is written down once, without personal data, however often it is asked for', async () => {
    await live('cus_twice_x', '+4915112300715');

    expect([await erase('cus_twice_x'), await erase('cus_twice_x')]).toEqual(['erased', 'erased']);
    expect(await erase('cus_nobody')).toBe('erased');

    expect(await audits('cus_twice_x')).toEqual([{ actor: 'operator', detail: { orders: 5 } }]);
    expect(await audits('cus_nobody')).toEqual([]);
  });

  it('leaves other people alone', async () => {
    await live('cus_neighbour_1', '+4915112300716');
    const tables = await tablesWith(phoneHash('+4915112300716'));

    await erase('cus_neighbour');
    await erase('cus_canary');

    expect(await tablesWith(phoneHash('+4915112300716'))).toEqual(tables);
    expect(await tablesWith('+4915112300716')).toEqual(['order_contacts']);
  });

  it('waits for requests without an outcome, and changes nothing until then', async () => {
    const phone = '+4915112300717';
    await placeOne(pool, 'decided', 'none', { customerId: 'cus_waiting', phone });
    await request('undecided', 'cus_waiting', phone);

    expect(await erase('cus_waiting')).toBe('undecided');

    expect(await tablesWith(phone)).toEqual(['order_contacts', 'order_requests']);
    expect(await audits('cus_waiting')).toEqual([]);
  });
});

describe('a message that is to be sent while its person is erased', () => {
  const lockWaits = async (): Promise<number> => {
    const { rows } = await pool.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows[0]!.n;
  };

  it('is not sent to the number that a sender has read just before', async () => {
    const orderId = await placeOne(pool, 'race', 'none', { customerId: 'cus_race', phone: '+4915112300718' });
    const blocker = await pool.connect();
    await blocker.query('begin');
    await blocker.query('select 1 from aftercommit.notification_attempts where order_id = $1 for update', [
      orderId,
    ]);
    const erased = erase('cus_race');
    await waitFor('the erasure waits for the attempt', async () => (await lockWaits()) === 1);
    const claims = claimOf(pool, orderId);
    await waitFor('a sender waits behind it, with the number read', async () => (await lockWaits()) === 2);

    await blocker.query('rollback');
    blocker.release();

    expect(await erased).toBe('erased');
    expect(await claims).toEqual([]);
    expect(await tablesWith(phoneHash('+4915112300718'))).toEqual([]);
  });

  it('is taken up later, without a number', async () => {
    const orderId = await placeOne(pool, 'later', 'none', {
      customerId: 'cus_later',
      phone: '+4915112300719',
    });
    await erase('cus_later');

    const claims = await waitFor('it is due again', async () => {
      const found = await claimOf(pool, orderId);
      return found.length > 0 ? found : null;
    });

    expect(claims).toMatchObject([{ orderId, to: null }]);
  });

  it('that a sender has already keeps no hash behind', async () => {
    const phone = '+4915112300720';
    await claimed(pool, 'sending', { customerId: 'cus_sending', phone });

    await erase('cus_sending');

    expect(await tablesWith(phoneHash(phone))).toEqual([]);
  });
});

describe('a customer to whom goods are to be sent', () => {
  const shipping = {
    name: 'A Person',
    line1: '1 Street',
    postalCode: '10115',
    city: 'Berlin',
    country: 'DE',
  };
  const setShipment = (orderId: string, state: string): Promise<unknown> =>
    pool.query('update aftercommit.shipments set state = $2 where order_id = $1', [orderId, state]);

  it('is erased once the carrier knows the address, and then no row of ours has it', async () => {
    const customerId = 'cus_to_be_sent';
    const orderId = await placeOne(pool, 'to be sent', 'none', { customerId, shipping });

    expect(await erase(customerId)).toBe('undecided');
    expect(await readContact(pool, orderId)).not.toBeNull();
    await setShipment(orderId, 'BOOKED');
    expect(await erase(customerId)).toBe('erased');

    expect(await readContact(pool, orderId)).toBeNull();
    expect(await tablesWith('Berlin')).toEqual([]);
  });

  it.each(['REFUSED', 'CANCELLED', 'DELIVERED'])('is erased when the shipment is %s', async (state) => {
    const customerId = `cus_${state}`;
    await setShipment(await placeOne(pool, state, 'none', { customerId, shipping }), state);

    expect(await erase(customerId)).toBe('erased');
  });

  it('is not erased while the order may still be paid for, and is once it is over', async () => {
    const customerId = 'cus_not_paid';
    const orderId = await placeOne(pool, 'not paid', 'wait', { customerId, shipping });

    expect(await erase(customerId)).toBe('undecided');
    await pool.query(`update aftercommit.orders set status = 'EXPIRED' where order_id = $1`, [orderId]);

    expect(await erase(customerId)).toBe('erased');
  });

  it('keeps the address of an order that comes while the erasure runs', async () => {
    const customerId = 'cus_comes_back';
    const old = await placeOne(pool, 'old one', 'none', { customerId });
    const holder = await pool.connect();
    await holder.query('begin');
    // The erasure has looked, and waits for a row that it is about to delete.
    await holder.query('select 1 from aftercommit.order_contacts where order_id = $1 for update', [old]);

    const erasing = erase(customerId);
    await waitFor('the erasure waits for the row', async () => {
      const { rowCount } = await pool.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rowCount !== 0;
    });
    const fresh = await placeOne(pool, 'fresh one', 'none', { customerId, shipping });
    await holder.query('commit');
    holder.release();

    expect(await erasing).toBe('erased');
    expect(await readContact(pool, old)).toBeNull();
    expect(await readContact(pool, fresh)).not.toBeNull();
  });
});
