import type { Pool } from 'pg';
import type { EventEnvelope } from '../domain/events';
import { envelopeOf, OUTBOX_COLUMNS, type OutboxRow } from './events';
import { deliveryIdOf } from './ids';
import { transaction, type Queryable } from './transaction';

/** Where an event goes. Made by the bus from the rules; frozen here. */
export interface FrozenRoute {
  ruleName: string;
  targetName: string;
  transformer: object | null;
}

/** Decides where one event goes; must not do I/O. */
export type RouteEvent = (event: EventEnvelope) => FrozenRoute[];

/**
 * Evaluates the rules for the new events of orders or subjects and freezes the deliveries, in one transaction.
 * Idempotent: an event is routed once, whoever gets there first; a later change of a rule changes nothing for it.
 * @returns how many events were routed by this call
 */
export async function routeEvents(
  pool: Pool,
  events: { aggregateIds: readonly string[]; at: string },
  route: RouteEvent,
): Promise<number> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<OutboxRow>(
      `select ${OUTBOX_COLUMNS} from aftercommit.outbox o
       where aggregate_id = any ($1::uuid[]) and routed_at is null order by aggregate_id, seq for no key update`,
      [events.aggregateIds],
    );
    if (rows.length === 0) return 0;
    await freezeDeliveries(client, rows, { route, at: events.at, replayId: null });
    // An event that no rule wants is done as soon as that is known.
    await client.query(
      `update aftercommit.outbox o
       set routed_at = $2,
           published_at = case when exists (select 1 from aftercommit.deliveries d where d.event_id = o.id) then null else $2::timestamptz end
       where o.id = any($1)`,
      [rows.map((row) => row.id), events.at],
    );
    return rows.length;
  });
}

/** Writes a delivery for each place that each event goes to. Idempotent by the deliveries' ids. */
export async function freezeDeliveries(
  client: Queryable,
  rows: readonly OutboxRow[],
  how: { route: RouteEvent; at: string; replayId: string | null },
): Promise<void> {
  const deliveries = rows.flatMap((row) =>
    how.route(envelopeOf(row)).map((to) => ({
      delivery_id: deliveryIdOf(row.id, to, how.replayId),
      event_id: row.id,
      aggregate_id: row.aggregate_id,
      seq: row.seq,
      rule_name: to.ruleName,
      target_name: to.targetName,
      transformer: to.transformer,
    })),
  );
  if (deliveries.length === 0) return;
  await client.query(
    `insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name, transformer,
                                         replay_id, created_at)
     select d.delivery_id, d.event_id, d.aggregate_id, d.seq, d.rule_name, d.target_name, d.transformer, $2, $3
     from jsonb_to_recordset($1) as d (delivery_id uuid, event_id uuid, aggregate_id uuid, seq int, rule_name text,
                                       target_name text, transformer jsonb)
     on conflict do nothing`,
    [JSON.stringify(deliveries), how.replayId, how.at],
  );
}
