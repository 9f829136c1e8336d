import { grouped, readLog, type LogEntry } from '../chaos/evidence';
import type { Stack } from '../e2e/stack';

/** What the database says of all attempts of one run. */
export interface AttemptFigures {
  ambiguous: number;
  callback: number;
  lookUp: number;
  /** Found after they were given up. */
  lateLookUp: number;
  /** Given up for another attempt, and never found. */
  resend: number;
  operator: number;
  open: number;
  /** Every attempt that was given up, found later or not: each was followed by another one. */
  givenUp: number;
  delivered: number;
  perSecond: number;
  acceptMsP50: number;
  acceptMsP99: number;
  knownMsP50: number | null;
  knownMsP99: number | null;
}

/** Of calls that were answered, and of ambiguous ones until something was known of them. */
const percentile = (share: number, until: string, which: string): string =>
  `round((percentile_disc(${share}) within group (order by extract(epoch from ${until} - started_at) * 1000)
    filter (where ${which}))::numeric)::int`;

export async function readAttempts({ database }: Stack): Promise<AttemptFigures> {
  const { rows } = await database.pool.query<AttemptFigures>(`
    select
      (count(*) filter (where was_ambiguous))::int as ambiguous,
      (count(*) filter (where resolved_by = 'callback'))::int as callback,
      (count(*) filter (where resolved_by = 'look_up' and look_ups < 2))::int as "lookUp",
      (count(*) filter (where resolved_by = 'look_up' and look_ups >= 2))::int as "lateLookUp",
      (count(*) filter (where resolved_by = 'resend'))::int as resend,
      (count(*) filter (where resolved_by = 'operator'))::int as operator,
      (count(*) filter (where was_ambiguous and resolved_by is null))::int as open,
      (count(*) filter (where n > 1))::int as "givenUp",
      (select count(*)::int from aftercommit.notifications where status = 'DELIVERED') as delivered,
      ((count(*) filter (where n = 1)) / extract(epoch from max(accepted_at) filter (where n = 1 and not was_ambiguous)
        - min(started_at)))::float8 as "perSecond",
      ${percentile(0.5, 'accepted_at', 'not was_ambiguous')} as "acceptMsP50",
      ${percentile(0.99, 'accepted_at', 'not was_ambiguous')} as "acceptMsP99",
      ${percentile(0.5, 'finished_at', 'was_ambiguous')} as "knownMsP50",
      ${percentile(0.99, 'finished_at', 'was_ambiguous')} as "knownMsP99"
    from aftercommit.notification_attempts`);
  return rows[0]!;
}

/** Orders whose attempt was ambiguous, each once. */
export async function ambiguousOrders({ database }: Stack): Promise<string[]> {
  const { rows } = await database.pool.query<{ order_id: string }>(
    'select distinct order_id from aftercommit.notification_attempts where was_ambiguous',
  );
  return rows.map((row) => row.order_id);
}

/** What the provider's own log says, held against the attempts. */
export interface Count {
  accepted: number;
  /** Accepted messages that exactly one attempt has. */
  owned: number;
  /** Accepted messages that no attempt has, or more than one. */
  unowned: number;
  /** Accepted messages of an order beyond its first. */
  duplicates: number;
  /** Orders without any accepted message. */
  untold: number;
  /** How often each planned fault struck, by action. */
  faults: Record<string, number>;
}

/** Each text names its order. */
const TEXT = /^Order #([0-9a-f-]{36}) confirmed\.$/;

/** Counts by what the provider wrote down, and asks the database for nothing but whose each message is. */
export async function countAccepted(stack: Stack, orderIds: readonly string[]): Promise<Count> {
  const log = readLog(stack.logFiles.twilio);
  const messages = log.filter((entry) => entry.type === 'accepted');
  const byOrder = grouped(messages, (entry) => TEXT.exec(String(entry['body']))?.[1] ?? 'none');
  const { rows } = await stack.database.pool.query<{ sid: string }>(
    'select message_sid as sid from aftercommit.notification_attempts where message_sid is not null',
  );
  const owners = grouped(rows, (row) => row.sid);
  const owned = messages.filter((entry) => owners.get(String(entry['sid']))?.length === 1).length;
  const told = orderIds.filter((orderId) => byOrder.has(orderId)).length;
  return {
    accepted: messages.length,
    owned,
    unowned: messages.length - owned,
    duplicates: messages.length - byOrder.size,
    untold: orderIds.length - told,
    faults: countBy(
      log.filter((entry) => entry.type === 'fault'),
      'action',
    ),
  };
}

function countBy(entries: readonly LogEntry[], member: string): Record<string, number> {
  const groups = grouped(entries, (entry) => String(entry[member]));
  return Object.fromEntries([...groups].map(([name, own]) => [name, own.length]));
}

/** Sids whose last report, the one that they arrived, was lost on its way. */
export function lostReports({ logFiles }: Stack): Set<string> {
  return new Set(
    readLog(logFiles.twilio)
      .filter(
        (entry) => entry.type === 'callback' && entry['lost'] === true && entry['status'] === 'delivered',
      )
      .map((entry) => String(entry['sid'])),
  );
}

/** The first accepted message of each order, by order id. */
export function firstMessages({ logFiles }: Stack): Map<string, string> {
  const messages = new Map<string, string>();
  for (const entry of readLog(logFiles.twilio)) {
    const orderId = entry.type === 'accepted' ? TEXT.exec(String(entry['body']))?.[1] : undefined;
    if (orderId !== undefined && !messages.has(orderId)) messages.set(orderId, String(entry['sid']));
  }
  return messages;
}
