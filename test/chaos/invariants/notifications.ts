import { grouped, type Database, type Invariant } from '../evidence';

const ORDER_ID = '([0-9a-f]{8}-[0-9a-f-]{27})';

/** How each text that a customer gets can be told, and the event that it tells of. */
const TEXTS: [RegExp, string][] = [
  [new RegExp(`^Order #${ORDER_ID} confirmed\\.$`), 'order.confirmed'],
  [new RegExp(`^Payment for order #${ORDER_ID} failed\\. Nothing was charged\\.$`), 'order.payment_failed'],
  [new RegExp(`^Order #${ORDER_ID} cancelled\\.$`), 'order.cancelled'],
  [new RegExp(`^Order #${ORDER_ID}: .+ refunded\\.$`), 'order.refunded'],
];

/** `orderId template`, or null for a text that nobody should have sent. */
function keyOf(body: unknown): string | null {
  for (const [pattern, template] of TEXTS) {
    const [, orderId] = pattern.exec(String(body)) ?? [];
    if (orderId !== undefined) return `${orderId} ${template}`;
  }
  return null;
}

/** The provider was never asked to tell of something that is not committed. */
export const noNotifyRollback: Invariant = {
  name: 'INV-NO-NOTIFY-ROLLBACK',
  async find({ database, twilio }) {
    const { rows } = await database.query<{ key: string }>(
      `select aggregate_id || ' ' || type as key from aftercommit.outbox`,
    );
    const committed = new Set(rows.map((row) => row.key));
    return twilio
      .filter((entry) => entry.type === 'request' && entry['method'] === 'POST')
      .map((entry) => String((entry['form'] as Record<string, unknown>)['Body']))
      .filter((body) => !committed.has(keyOf(body) ?? ''))
      .map((body) => `asked to send, without a committed event: ${body}`);
  },
};

interface Told {
  key: string;
  /** Notifications that a person was to get, and of them those that no message can be expected of. */
  wanted: number;
  unreached: number;
  ambiguous: number;
}

async function readTold(database: Database): Promise<Told[]> {
  const { rows } = await database.query<Told>(`
    select o.aggregate_id || ' ' || o.type as key, count(distinct o.id)::int as wanted,
      (count(distinct n.notification_id) filter (where n.status = 'UNREACHED'))::int as unreached,
      (count(distinct a.attempt_id) filter (where a.was_ambiguous))::int as ambiguous
    from aftercommit.outbox o
    left join aftercommit.notifications n on n.event_id = o.id
    left join aftercommit.notification_attempts a using (notification_id)
    where o.aggregate_type = 'order' and o.type <> 'order.placed' group by 1`);
  return rows;
}

/** One accepted message for each thing to tell; more only where an attempt was ambiguous, and no more than those. */
export const notifyOne: Invariant = {
  name: 'INV-NOTIFY-ONE',
  async find({ database, twilio }) {
    const accepted = twilio.filter((entry) => entry.type === 'accepted');
    const byKey = grouped(
      accepted,
      (entry) => keyOf(entry['body']) ?? `unknown text: ${String(entry['body'])}`,
    );
    const told = await readTold(database);
    const known = new Set(told.map(({ key }) => key));
    const strangers = [...byKey.keys()].filter((key) => !known.has(key));
    const wrong = told.filter(({ key, wanted, unreached, ambiguous }) => {
      const count = byKey.get(key)?.length ?? 0;
      const tooFew = ambiguous === 0 && count < wanted - unreached;
      return tooFew || count > wanted - (ambiguous === 0 ? unreached : 0) + ambiguous;
    });
    return [
      ...strangers.map((key) => `accepted, and nothing to tell: ${key}`),
      ...wrong.map((one) => `${JSON.stringify(one)}, accepted ${byKey.get(one.key)?.length ?? 0}`),
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
