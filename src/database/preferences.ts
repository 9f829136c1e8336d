import type { Pool } from 'pg';
import type { ChannelName } from '../domain/message-status';
import type { QuietHours } from '../domain/quiet-hours';
import { appendAudit } from './audit';
import { statement, transaction } from './transaction';

/** What a customer wishes for all messages; null: nothing is known of it. */
export interface Preferences {
  /** In the order in which they are tried; null: as each order says; empty: nothing is to be sent. */
  channels: ChannelName[] | null;
  /** BCP 47. */
  language: string | null;
  /** IANA name. */
  timeZone: string | null;
  quietHours: QuietHours | null;
}

export interface OptOut {
  channel: ChannelName;
  /** Who said so: the person by a message, the provider by refusing, or an operator. */
  source: 'inbound' | 'provider' | 'operator';
  since: string;
}

/** Everything that is known of how a customer wants to be told. Opt-outs belong to the numbers of the customer's orders. */
export interface CustomerWishes extends Preferences {
  customerId: string;
  optOuts: OptOut[];
  /** Of the preferences; null while there are none. */
  updatedAt: string | null;
}

/** Of two numbers of one customer on one channel, the one that opted out first is shown. */
const WISHES = `
  select c.customer_id as "customerId", p.channels, p.language, p.time_zone as "timeZone", p.quiet_hours as "quietHours",
    p.updated_at as "updatedAt", o.channel, o.opt_out_source as source, o.opted_out_at as since
  from (select $1::text as customer_id) c
  left join aftercommit.customer_preferences p on p.customer_id = c.customer_id
  left join lateral (
    select distinct on (r.channel) r.channel, r.opt_out_source, r.opted_out_at
    from aftercommit.recipients r
    where r.opted_out_at is not null
      and r.phone_hash in (select k.phone_hash from aftercommit.order_contacts k where k.customer_id = c.customer_id)
    order by r.channel, r.opted_out_at
  ) o on true
  where p.customer_id is not null
    or exists (select from aftercommit.order_contacts k where k.customer_id = c.customer_id)
  order by o.channel`;

type WishRow = Omit<CustomerWishes, 'optOuts'> & { [Member in keyof OptOut]: OptOut[Member] | null };

/** @returns null for a customer with neither preferences nor a contact of an order */
export async function readWishes(pool: Pool, customerId: string): Promise<CustomerWishes | null> {
  const rows = await statement<WishRow>(pool, WISHES, [customerId]);
  const [first] = rows;
  if (first === undefined) return null;
  const { channels, language, timeZone, quietHours, updatedAt } = first;
  const optOuts = rows.flatMap(({ channel, source, since }) =>
    channel === null || source === null || since === null ? [] : [{ channel, source, since }],
  );
  return { customerId, channels, language, timeZone, quietHours, optOuts, updatedAt };
}

/** Replaces a customer's preferences. They count for what is told from now on; quiet hours also for what still waits. */
export async function putPreferences(
  pool: Pool,
  change: { customerId: string; preferences: Preferences; actor: string },
): Promise<void> {
  const { customerId, preferences, actor } = change;
  const { channels, language, timeZone, quietHours } = preferences;
  await transaction(pool, async (client) => {
    await client.query(
      `insert into aftercommit.customer_preferences (customer_id, channels, language, time_zone, quiet_hours)
       values ($1, $2, $3, $4, $5)
       on conflict (customer_id) do update set channels = excluded.channels, language = excluded.language,
         time_zone = excluded.time_zone, quiet_hours = excluded.quiet_hours, updated_at = now()`,
      [customerId, channels, language, timeZone, quietHours === null ? null : JSON.stringify(quietHours)],
    );
    // Which members, not what they say: the audit outlives the erasure of the person.
    const members = Object.entries(preferences).flatMap(([name, value]) => (value === null ? [] : [name]));
    await appendAudit(client, {
      actor,
      action: 'preferences.put',
      subject: customerId,
      detail: { set: members },
    });
  });
}

/**
 * An operator opts a customer out of a channel, or lifts it: for every number of the customer's orders. Idempotent. What a
 * person or the provider said before keeps its time and source. Numbers of later orders are not opted out.
 * @returns false when no order of this customer has a number
 */
export async function setOptOut(
  pool: Pool,
  change: { customerId: string; channel: ChannelName; isOptedOut: boolean; actor: string },
): Promise<boolean> {
  const { customerId, channel, isOptedOut, actor } = change;
  return transaction(pool, async (client) => {
    const contacts = await client.query<{ phone_hash: string }>(
      'select distinct phone_hash from aftercommit.order_contacts where customer_id = $1 order by phone_hash',
      [customerId],
    );
    if (contacts.rows.length === 0) return false;
    const hashes = contacts.rows.map((row) => row.phone_hash);
    const { rowCount } = await client.query(isOptedOut ? OPT_OUT : LIFT, [hashes, channel]);
    // A repeat changes nothing, and writes nothing down.
    if (rowCount === 0) return true;
    const action = isOptedOut ? 'opt_out.set' : 'opt_out.lift';
    await appendAudit(client, { actor, action, subject: customerId, detail: { channel } });
    return true;
  });
}

/** In the order of the hashes, so that two callers wait for each other instead of deadlocking. */
const OPT_OUT = `
  insert into aftercommit.recipients as r (phone_hash, channel, opted_out_at, opt_out_source)
  select hash, $2, now(), 'operator' from unnest($1::text[]) as hash order by hash
  on conflict (phone_hash, channel) do update set opted_out_at = now(), opt_out_source = 'operator', updated_at = now()
  where r.opted_out_at is null`;

const LIFT = `
  with known as (
    select phone_hash, channel from aftercommit.recipients
    where phone_hash = any($1::text[]) and channel = $2 and opted_out_at is not null
    order by phone_hash for no key update
  )
  update aftercommit.recipients r set opted_out_at = null, opt_out_source = null, updated_at = now()
  from known where r.phone_hash = known.phone_hash and r.channel = known.channel`;
