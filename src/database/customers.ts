import type { Pool } from 'pg';
import { appendAudit } from './audit';
import { statement, transaction, type Queryable } from './transaction';

/** Personal data of an order's customer, read at the moment of sending and stored nowhere else. */
export async function readContact(
  pool: Pool,
  orderId: string,
): Promise<{ id: string; phone: string } | null> {
  const [row] = await statement<{ id: string; phone: string }>(
    pool,
    'select customer_id as id, phone from aftercommit.order_contacts where order_id = $1',
    [orderId],
  );
  return row ?? null;
}

/**
 * How long an unsent message is kept from senders that read the number just before it was erased: they wait for the row
 * and find it not due. Those that come later find no number. Longer than transactions and clocks differ. Milliseconds.
 */
const KEPT_FROM_SENDERS_MS = 1_000;

/**
 * Erases what is known of a person: numbers, their hashes, wishes, when the person wrote. Orders, payments and what was
 * sent stay, under the customer's id. A STOP stays too, by the number's hash, so that it is honoured for whoever has the
 * number. Unsent messages end as suppressed when they are to be sent. Idempotent.
 * @returns `undecided` while a request of the customer has no outcome, or goods are to be sent: what is to come needs the
 * number or the address
 */
export async function eraseCustomer(
  pool: Pool,
  { customerId, actor }: { customerId: string; actor: string },
): Promise<'erased' | 'undecided'> {
  return transaction(pool, async (client) => {
    if (await hasUndecidedRequest(client, customerId)) return 'undecided';
    if (await isAddressNeeded(client, customerId)) return 'undecided';
    const { phoneHashes, orders } = await eraseContacts(client, customerId);
    const hashesOfAttempts = await eraseFromNotifications(client, customerId);
    await forgetRecipients(client, [...new Set([...phoneHashes, ...hashesOfAttempts])]);
    const { rowCount: preferences } = await client.query(
      'delete from aftercommit.customer_preferences where customer_id = $1',
      [customerId],
    );
    // A repeat finds nothing more, and has nothing to tell.
    const isNews = orders > 0 || hashesOfAttempts.length > 0 || preferences !== 0;
    if (isNews) {
      await appendAudit(client, {
        actor,
        action: 'customer.erase',
        subject: customerId,
        detail: { orders },
      });
    }
    return 'erased';
  });
}

/** A request that comes after this has its own outcome, and is a new order of the customer. */
async function hasUndecidedRequest(client: Queryable, customerId: string): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from aftercommit.order_requests where body is not null and body -> 'customer' ->> 'id' = $1 limit 1`,
    [customerId],
  );
  return rows.length > 0;
}

/** Of a contact `c`: the carrier is to be told where the goods go, now or once the order is paid. */
const IS_NEEDED = `c.ships and exists (
  select 1 from aftercommit.orders o left join aftercommit.shipments s using (order_id)
  where o.order_id = c.order_id
    and (o.status = 'PENDING_PAYMENT' or (o.status = 'CONFIRMED' and s.state = 'INTENDED')))`;

async function isAddressNeeded(client: Queryable, customerId: string): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from aftercommit.order_contacts c where c.customer_id = $1 and ${IS_NEEDED} limit 1`,
    [customerId],
  );
  return rows.length > 0;
}

/** All but those of orders that came meanwhile and need them: without its address an order would be paid and never sent. */
async function eraseContacts(
  client: Queryable,
  customerId: string,
): Promise<{ phoneHashes: string[]; orders: number }> {
  const { rows } = await client.query<{ phone_hash: string }>(
    `delete from aftercommit.order_contacts c where c.customer_id = $1 and not (${IS_NEEDED}) returning c.phone_hash`,
    [customerId],
  );
  return { phoneHashes: rows.map((row) => row.phone_hash), orders: rows.length };
}

/** Notifications first, then their attempts, as everybody who changes them does. @returns the hashes that were there */
async function eraseFromNotifications(client: Queryable, customerId: string): Promise<string[]> {
  await client.query(
    'select 1 from aftercommit.notifications where customer_id = $1 order by notification_id for update',
    [customerId],
  );
  await client.query(
    'update aftercommit.notifications set language = null where customer_id = $1 and language is not null',
    [customerId],
  );
  const { rows } = await client.query<{ phone_hash: string | null }>(
    `select phone_hash from aftercommit.notification_attempts
     where notification_id in (select notification_id from aftercommit.notifications where customer_id = $1)
     order by attempt_id for update`,
    [customerId],
  );
  await client.query(
    `update aftercommit.notification_attempts
     set phone_hash = null,
         next_attempt_at = case when state = 'READY'
           then greatest(next_attempt_at, clock_timestamp() + $2 * interval '1 millisecond') else next_attempt_at end
     where notification_id in (select notification_id from aftercommit.notifications where customer_id = $1)
       and (phone_hash is not null or state = 'READY')`,
    [customerId, KEPT_FROM_SENDERS_MS],
  );
  return rows.flatMap(({ phone_hash: hash }) => (hash === null ? [] : [hash]));
}

/** What is left of a number is that it wants nothing. */
async function forgetRecipients(client: Queryable, phoneHashes: string[]): Promise<void> {
  await client.query('delete from aftercommit.recipient_days where phone_hash = any($1)', [phoneHashes]);
  await client.query(
    'delete from aftercommit.recipients where phone_hash = any($1) and opted_out_at is null',
    [phoneHashes],
  );
  await client.query(
    'update aftercommit.recipients set last_inbound_at = null where phone_hash = any($1) and last_inbound_at is not null',
    [phoneHashes],
  );
}
