import type { Pool } from 'pg';
import { ConflictingStateError } from '../errors';
import { appendAudit } from './audit';
import { readDelivery, type DeliveryView } from './delivery-views';
import { ONCE, statement, transaction, type Queryable } from './transaction';

/** Which dead letters are taken up again; absent members take all. */
export interface RedriveFilter {
  target?: string | undefined;
  rule?: string | undefined;
  code?: string | undefined;
  orderId?: string | undefined;
  /** RFC 3339: dead since here. */
  from?: string | undefined;
  /** RFC 3339: dead before here. */
  to?: string | undefined;
}

export interface RedriveView {
  redriveId: string;
  state: 'RUNNING' | 'COMPLETED';
  filter: RedriveFilter;
  /** Dead letters that matched when it began. */
  total: number;
  /** What became of those that were taken up. `dead`: dead once more. */
  deliveries: { open: number; delivered: number; dead: number };
  createdAt: string;
  updatedAt: string;
}

/** Dead letters that one step takes up; each step wakes one workflow per order. */
const STEP_MAX = 100;

/** What a cancelled replay had not sent stays unsent: its replay is not taken up again by the way. */
const MATCHES = `
  d.state = 'DEAD' and d.error_code is distinct from 'replay_cancelled'
  and ($1::jsonb ->> 'target' is null or d.target_name = $1::jsonb ->> 'target')
  and ($1::jsonb ->> 'rule' is null or d.rule_name = $1::jsonb ->> 'rule')
  and ($1::jsonb ->> 'code' is null or d.error_code = $1::jsonb ->> 'code')
  and ($1::jsonb ->> 'orderId' is null or d.aggregate_id = ($1::jsonb ->> 'orderId')::uuid)
  and d.finished_at >= coalesce(($1::jsonb ->> 'from')::timestamptz, '-infinity')
  and d.finished_at < coalesce(($1::jsonb ->> 'to')::timestamptz, 'infinity')`;

/** A dead letter begins anew: its retry policy counts from the next attempt. */
const TAKE_UP = `
  state = 'READY', next_attempt_at = now(), first_attempt_at = null, finished_at = null, error_code = null,
  claimed_by = null, redriven_at = now(), attempts_before = attempts`;

/** What a delivery workflow, or a replay, has to be woken for. */
export interface TakenUp {
  aggregateId: string;
  replayId: string | null;
  groupId: null;
}

/**
 * Takes one dead letter up again. A repeat while it is on its way changes nothing.
 * @returns null when there is no delivery of this id
 * @throws ConflictingStateError (not retryable) when it was delivered
 */
export async function redriveDelivery(
  pool: Pool,
  deliveryId: string,
  actor: string,
): Promise<{ delivery: DeliveryView; takenUp: TakenUp } | null> {
  const takenUp = await transaction(
    pool,
    async (client) => {
      const { rows } = await client.query<{
        state: string;
        error_code: string | null;
        aggregate_id: string;
        replay_id: string | null;
      }>(
        'select state, error_code, aggregate_id, replay_id from aftercommit.deliveries where delivery_id = $1 for update',
        [deliveryId],
      );
      const row = rows[0];
      if (row === undefined) return null;
      if (row.state === 'DELIVERED') {
        throw new ConflictingStateError('The delivery was made; there is nothing to redrive.', {
          extensions: { state: row.state },
        });
      }
      if (row.error_code === 'replay_cancelled') {
        throw new ConflictingStateError('Its replay was cancelled; start another replay.', {
          extensions: { state: row.state },
        });
      }
      if (row.state === 'DEAD') {
        await client.query(`update aftercommit.deliveries set ${TAKE_UP} where delivery_id = $1`, [
          deliveryId,
        ]);
        await reopenReplays(client, [row.replay_id]);
        await appendAudit(client, { actor, action: 'delivery.redrive', subject: deliveryId, detail: {} });
      }
      return { aggregateId: row.aggregate_id, replayId: row.replay_id, groupId: null };
    },
    ONCE,
  );
  if (takenUp === null) return null;
  return { delivery: (await readDelivery(pool, deliveryId))!, takenUp };
}

/** A replay that was complete goes on for what was taken up of it. */
async function reopenReplays(client: Queryable, replayIds: readonly (string | null)[]): Promise<void> {
  const ids = replayIds.filter((id) => id !== null);
  if (ids.length === 0) return;
  await client.query(
    `update aftercommit.replays set state = 'RUNNING', updated_at = now()
     where replay_id = any($1) and state = 'COMPLETED'`,
    [ids],
  );
}

/** Begins a redrive of the dead letters that match now. Idempotent by `redriveId`. */
export async function createRedrive(
  pool: Pool,
  redrive: { redriveId: string; filter: RedriveFilter; actor: string },
): Promise<RedriveView> {
  await transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `insert into aftercommit.redrives (redrive_id, actor, filter, total)
       select $2, $3, $1, count(*) from aftercommit.deliveries d where ${MATCHES}
       on conflict do nothing`,
      [JSON.stringify(redrive.filter), redrive.redriveId, redrive.actor],
    );
    if (rowCount !== 1) return;
    const { actor, redriveId: subject, filter } = redrive;
    await appendAudit(client, { actor, action: 'redrive.start', subject, detail: { ...filter } });
  });
  return (await readRedrive(pool, redrive.redriveId))!;
}

export async function readRedrive(pool: Pool, redriveId: string): Promise<RedriveView | null> {
  const [row] = await statement<RedriveView>(
    pool,
    `select r.redrive_id as "redriveId", r.state, r.filter, r.total,
       (select json_build_object('open', count(*) filter (where d.state in ('READY', 'SENDING')),
                 'delivered', count(*) filter (where d.state = 'DELIVERED'), 'dead', count(*) filter (where d.state = 'DEAD'))
        from aftercommit.deliveries d where d.redrive_id = r.redrive_id) as deliveries,
       r.created_at as "createdAt", r.updated_at as "updatedAt"
     from aftercommit.redrives r where r.redrive_id = $1`,
    [redriveId],
  );
  return row ?? null;
}

/**
 * Takes up the next dead letters of a redrive, oldest first; those that died after it began are left alone. Completes it
 * when none is left.
 * @returns what has to be woken; empty when the redrive is complete. A repeat after a crash may name fewer: the rest is
 *   found by reconciliation
 */
export async function takeUpDeadLetters(pool: Pool, redriveId: string): Promise<TakenUp[]> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ filter: RedriveFilter; created_at: string }>(
      `select filter, created_at from aftercommit.redrives where redrive_id = $1 and state = 'RUNNING' for update`,
      [redriveId],
    );
    const redrive = rows[0];
    if (redrive === undefined) return [];
    const taken = await client.query<{ aggregate_id: string; replay_id: string | null }>(
      `update aftercommit.deliveries d set ${TAKE_UP}, redrive_id = $2
       where d.delivery_id in (
         select d.delivery_id from aftercommit.deliveries d where ${MATCHES} and d.finished_at < $3
         order by d.finished_at, d.delivery_id limit ${STEP_MAX} for update)
       returning d.aggregate_id, d.replay_id`,
      [JSON.stringify(redrive.filter), redriveId, redrive.created_at],
    );
    await client.query(
      `update aftercommit.redrives set updated_at = now(), state = case when $2 then 'COMPLETED' else state end
       where redrive_id = $1`,
      [redriveId, taken.rows.length === 0],
    );
    await reopenReplays(
      client,
      taken.rows.map((row) => row.replay_id),
    );
    return taken.rows.map((row) => ({
      aggregateId: row.aggregate_id,
      replayId: row.replay_id,
      groupId: null,
    }));
  });
}
