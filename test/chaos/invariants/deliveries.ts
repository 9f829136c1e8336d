import { grouped, type Invariant, type LogEntry } from '../evidence';

interface Routed {
  id: string;
  source: string;
  type: string;
  payload: Record<string, unknown>;
  routed_at: Date | null;
  published_at: Date | null;
  /** `rule target` of each delivery, with its state. */
  deliveries: { to: string; state: string }[];
  /** Deliveries of replays that are not at their end. */
  replaying: number;
}

interface Rule {
  pattern: Record<string, unknown>;
  changed_at: Date;
  target_names: string[];
  name: string;
}

/** Every event was routed, has a delivery for each target of each rule that wanted it, and each of those is at its end. */
export const noLoss: Invariant = {
  name: 'INV-NO-LOSS',
  async find({ database }) {
    const { rows: events } = await database.query<Routed>(`
      select o.id, o.source, o.type, o.payload, o.routed_at, o.published_at,
        (select coalesce(jsonb_agg(jsonb_build_object('to', d.rule_name || ' ' || d.target_name, 'state', d.state)), '[]')
         from aftercommit.deliveries d where d.event_id = o.id and d.replay_id is null) as deliveries,
        (select count(*)::int from aftercommit.deliveries d
         where d.event_id = o.id and d.replay_id is not null and d.state in ('READY', 'SENDING')) as replaying
      from aftercommit.outbox o`);
    const { rows: rules } = await database.query<Rule>(`
      select r.name, r.pattern, r.updated_at as changed_at, array_agg(t.target_name) as target_names
      from aftercommit.rules r join aftercommit.rule_targets t on t.rule_name = r.name
      where r.state <> 'DISABLED' group by r.name, r.pattern, r.updated_at`);
    return events.flatMap((event) => lossesOf(event, rules).map((loss) => `event ${event.id}: ${loss}`));
  },
};

function lossesOf(event: Routed, rules: readonly Rule[]): string[] {
  const { deliveries, routed_at: routedAt, published_at: publishedAt } = event;
  if (routedAt === null) return ['not routed'];
  const open = deliveries.filter(({ state }) => state !== 'DELIVERED' && state !== 'DEAD');
  const losses = open.map(({ to, state }) => `${to} is ${state}`);
  if (event.replaying > 0) losses.push(`${event.replaying} replayed deliveries are open`);
  if ((publishedAt === null) === deliveries.every(({ state }) => state === 'DELIVERED')) {
    losses.push(`published_at is ${publishedAt?.toISOString() ?? 'null'}`);
  }
  const made = new Set(deliveries.map(({ to }) => to));
  const document = { source: event.source, 'detail-type': event.type, detail: event.payload };
  // A rule that was changed after the event was routed may have been another one then.
  for (const rule of rules.filter((one) => one.changed_at < routedAt && wants(one.pattern, document))) {
    for (const target of rule.target_names) {
      if (!made.has(`${rule.name} ${target}`)) losses.push(`nothing for ${rule.name} ${target}`);
    }
  }
  return losses;
}

/** Exact values only: lists of what a member may be, nested as the event is. */
function wants(pattern: Record<string, unknown>, document: Record<string, unknown>): boolean {
  return Object.entries(pattern).every(([name, wanted]) => {
    const value = document[name];
    if (Array.isArray(wanted)) return wanted.includes(value);
    if (typeof value !== 'object' || value === null) return false;
    return wants(wanted as Record<string, unknown>, value as Record<string, unknown>);
  });
}

/** Nobody heard of an event that was not committed, and what was sent twice was the same. */
export const noPhantom: Invariant = {
  name: 'INV-NO-PHANTOM',
  async find({ database, sink }) {
    const { rows } = await database.query<{ id: string }>('select id from aftercommit.outbox');
    const committed = new Set(rows.map((row) => row.id));
    // A test event tells of nothing, and says so.
    const received = sink.filter(
      (entry) => entry.type === 'received' && !String(entry['body']).includes('"detail-type":"target.test"'),
    );
    const phantoms = received
      .filter((entry) => !committed.has(headerOf(entry, 'webhook-id')))
      .map(
        (entry) =>
          `${String(entry['path'])} got the event ${headerOf(entry, 'webhook-id')}, which is not committed`,
      );
    const changed = [...grouped(received, (entry) => headerOf(entry, 'x-aftercommit-delivery-id'))]
      .filter(
        ([, tries]) =>
          new Set(tries.map((entry) => `${headerOf(entry, 'webhook-id')} ${String(entry['body'])}`)).size > 1,
      )
      .map(([delivery]) => `the delivery ${delivery} was not the same bytes each time`);
    return [...phantoms, ...changed];
  },
};

function headerOf(entry: LogEntry, name: string): string {
  return (entry['headers'] as Record<string, string | undefined>)[name] ?? 'none';
}
