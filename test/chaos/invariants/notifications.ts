import { grouped, type Database, type Invariant, type LogEntry } from '../evidence';

const ORDER_ID = '([0-9a-f]{8}-[0-9a-f-]{27})';

/** How each text that a customer gets can be told, and the event that it tells of. */
const TEXTS: [RegExp, string][] = [
  [new RegExp(`^Order #${ORDER_ID} confirmed\\.$`), 'order.confirmed'],
  [
    new RegExp(`^Payment for order #${ORDER_ID} failed\\. Anything taken goes back to you\\.$`),
    'order.payment_failed',
  ],
  [new RegExp(`^Order #${ORDER_ID} cancelled\\.$`), 'order.cancelled'],
  [new RegExp(`^Order #${ORDER_ID}: .+ refunded\\.$`), 'order.refunded'],
  [new RegExp(`^Order #${ORDER_ID} shipped\\.$`), 'order.shipped'],
  [new RegExp(`^Order #${ORDER_ID} delivered\\.$`), 'order.delivered'],
  [
    new RegExp(`^Order #${ORDER_ID} expired: it was not paid in time\\. Anything taken goes back to you\\.$`),
    'order.expired',
  ],
];

/** `orderId template` of a text; null for one that nobody should have sent. */
function keyOfText(body: unknown): string | null {
  for (const [pattern, template] of TEXTS) {
    const [, orderId] = pattern.exec(String(body)) ?? [];
    if (orderId !== undefined) return `${orderId} ${template}`;
  }
  return null;
}

/** `orderId template` of each attempt: calls say no order, but the address of their reports names the attempt. */
async function readAttemptKeys(database: Database): Promise<Map<string, string>> {
  const { rows } = await database.query<{ attempt_id: string; key: string }>(
    `select attempt_id, t.order_id || ' ' || t.template as key
     from aftercommit.notification_attempts join aftercommit.notifications t using (notification_id)`,
  );
  return new Map(rows.map((row) => [row.attempt_id, row.key]));
}

/** What one request or accepted message tells of. @param fields - the form, or the entry itself */
function keyOf(
  { body, twiml, statusCallback }: Record<'body' | 'twiml' | 'statusCallback', unknown>,
  attempts: ReadonlyMap<string, string>,
): string | null {
  if (twiml === undefined || twiml === null) return keyOfText(body);
  const attemptId = new URL(String(statusCallback)).searchParams.get('na');
  return attempts.get(attemptId ?? '') ?? null;
}

/** Of an accepted message; the first logs knew none but text messages. */
function channelOf(entry: LogEntry): string {
  return typeof entry['channel'] === 'string' ? entry['channel'] : 'sms';
}

/** The provider was never asked to tell of something that is not committed. */
export const noNotifyRollback: Invariant = {
  name: 'INV-NO-NOTIFY-ROLLBACK',
  async find({ database, twilio }) {
    const { rows } = await database.query<{ key: string }>(
      `select aggregate_id || ' ' || type as key from aftercommit.outbox`,
    );
    const committed = new Set(rows.map((row) => row.key));
    const attempts = await readAttemptKeys(database);
    return twilio
      .filter((entry) => entry.type === 'request' && entry['method'] === 'POST')
      .map((entry) => entry['form'] as Record<string, unknown>)
      .map((form) => ({ body: form['Body'], twiml: form['Twiml'], statusCallback: form['StatusCallback'] }))
      .filter((form) => !committed.has(keyOf(form, attempts) ?? ''))
      .map((form) => `asked to send, without a committed event: ${JSON.stringify(form)}`);
  },
};

/** What was to be told of one event type of an order, on one channel. */
interface Told {
  key: string;
  channel: string;
  /** Events of the type. */
  wanted: number;
  /** Attempts that a provider took. */
  accepted: number;
  ambiguous: number;
  /** Times that an operator had it sent again. */
  by_hand: number;
}

async function readTold(database: Database): Promise<Told[]> {
  const { rows } = await database.query<Told>(`
    select t.order_id || ' ' || t.template as key, a.channel, count(distinct t.event_id)::int as wanted,
      (count(*) filter (where a.state = 'ACCEPTED'))::int as accepted,
      (count(*) filter (where a.was_ambiguous))::int as ambiguous,
      (select count(*) from aftercommit.audit d
       where d.action = 'notification.resend' and d.subject = any (array_agg('notification/' || t.notification_id)))::int as by_hand
    from aftercommit.notifications t join aftercommit.notification_attempts a using (notification_id)
    group by t.order_id, t.template, a.channel`);
  return rows;
}

/** Events whose customer was not told and whose notification does not say why. */
async function readUntold(database: Database): Promise<string[]> {
  const { rows } = await database.query<{ told: string }>(`
    select o.aggregate_id || ' ' || o.type || ': ' || coalesce(t.status, 'no notification') as told
    from aftercommit.outbox o left join aftercommit.notifications t on t.event_id = o.id
    where o.aggregate_type = 'order' and o.type <> 'order.placed'
      and not exists (select 1 from aftercommit.notification_attempts a
                      where a.notification_id = t.notification_id and a.state in ('ACCEPTED', 'HELD'))
      and (t.status is null or t.status not in ('UNREACHED', 'SUPPRESSED', 'EXPIRED'))`);
  return rows.map(({ told }) => told);
}

/**
 * One accepted message for each thing to tell and each channel that was tried; more only where an attempt was ambiguous,
 * and no more than those. And nothing that was to be told is missing without a reason.
 */
export const notifyOne: Invariant = {
  name: 'INV-NOTIFY-ONE',
  async find({ database, twilio }) {
    const attempts = await readAttemptKeys(database);
    const placeOf = (entry: LogEntry): string => {
      const key = keyOf(
        { body: entry['body'], twiml: entry['twiml'], statusCallback: entry['statusCallback'] },
        attempts,
      );
      return key === null ? `unknown text: ${String(entry['body'])}` : `${key} ${channelOf(entry)}`;
    };
    const sent = grouped(
      twilio.filter((entry) => entry.type === 'accepted'),
      placeOf,
    );
    const told = await readTold(database);
    const known = new Set(told.map(({ key, channel }) => `${key} ${channel}`));
    const strangers = [...sent.keys()].filter((place) => !known.has(place));
    const countOf = ({ key, channel }: Told): number => sent.get(`${key} ${channel}`)?.length ?? 0;
    const wrong = told.filter((one) => {
      const most = one.wanted + one.ambiguous + one.by_hand;
      const isExact = one.ambiguous === 0 && one.by_hand === 0;
      return countOf(one) > most || (isExact && countOf(one) !== one.accepted);
    });
    return [
      ...strangers.map((place) => `accepted, and nothing to tell: ${place}`),
      ...wrong.map((one) => `${JSON.stringify(one)}, accepted ${countOf(one)}`),
      ...(await readUntold(database)).map((untold) => `not told, and nobody knows why: ${untold}`),
    ];
  },
};

/** Each accepted message belongs to exactly one attempt, and what an attempt calls accepted was. */
export const notifyAccounted: Invariant = {
  name: 'INV-NOTIFY-ACCOUNTED',
  async find({ database, twilio }) {
    const { rows } = await database.query<{ attempt_id: string; message_sid: string | null }>(
      `select attempt_id, message_sid from aftercommit.notification_attempts where message_sid is not null or state = 'ACCEPTED'`,
    );
    const owners = grouped(rows, (row) => row.message_sid ?? 'none');
    const sids = new Set(
      twilio.filter((entry) => entry.type === 'accepted').map((entry) => String(entry['sid'])),
    );
    const unowned = [...sids].filter((sid) => owners.get(sid)?.length !== 1);
    const invented = rows.filter((row) => row.message_sid === null || !sids.has(row.message_sid));
    return [
      ...unowned.map((sid) => `${sid} has ${owners.get(sid)?.length ?? 0} attempts`),
      ...invented.map((row) => `attempt ${row.attempt_id} has the sid ${row.message_sid}, which nobody gave`),
    ];
  },
};
