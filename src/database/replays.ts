import type { Pool } from 'pg';
import { ConflictingStateError } from '../errors';
import { appendAudit } from './audit';
import { OUTBOX_COLUMNS, type OutboxRow } from './events';
import { freezeDeliveries, type RouteEvent } from './routing';
import { pageOf, type Page } from './page';
import { ONCE, statement, transaction, type Queryable } from './transaction';

export type ReplayState = 'RUNNING' | 'PAUSED' | 'CANCELLED' | 'COMPLETED';

/** Which events are sent again; absent members take all. */
export interface ReplayFilter {
  /** RFC 3339; events from here on. */
  from?: string | undefined;
  /** RFC 3339; events before here. */
  to?: string | undefined;
  types?: string[] | undefined;
  orderId?: string | undefined;
  /** To this target only; absent: wherever the rules send them now. */
  target?: string | undefined;
}

export interface ReplayView {
  replayId: string;
  state: ReplayState;
  filter: ReplayFilter;
  ratePerSecond: number;
  /** Events that match, and those of them that have their deliveries. */
  events: { total: number; routed: number };
  deliveries: { ready: number; sending: number; delivered: number; dead: number };
  createdAt: string;
  updatedAt: string;
}

/** Events that one step routes; each becomes a delivery per target. */
const ROUTE_MAX = 500;

/** Events `o` that a replay's filter $1 takes. */
const MATCHES = `
  (o.created_at >= coalesce(($1::jsonb ->> 'from')::timestamptz, '-infinity')
   and o.created_at < coalesce(($1::jsonb ->> 'to')::timestamptz, 'infinity')
   and ($1::jsonb -> 'types' is null or $1::jsonb -> 'types' ? o.type)
   and ($1::jsonb ->> 'orderId' is null or o.aggregate_id = ($1::jsonb ->> 'orderId')::uuid))`;

const VIEW = `r.replay_id as "replayId", r.state, r.filter, r.rate_per_second as "ratePerSecond",
  json_build_object('total', r.events_total, 'routed', r.events_routed) as events,
  (select json_build_object('ready', count(*) filter (where d.state = 'READY'), 'sending', count(*) filter (where d.state = 'SENDING'),
            'delivered', count(*) filter (where d.state = 'DELIVERED'), 'dead', count(*) filter (where d.state = 'DEAD'))
   from aftercommit.deliveries d where d.replay_id = r.replay_id) as deliveries,
  r.created_at as "createdAt", r.updated_at as "updatedAt"`;

/** Begins a replay of the events that are there now. Idempotent by `replayId`. */
export async function createReplay(
  pool: Pool,
  replay: { replayId: string; filter: ReplayFilter; ratePerSecond: number; actor: string },
): Promise<ReplayView> {
  await transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `insert into aftercommit.replays (replay_id, actor, filter, rate_per_second, position, last_position, events_total)
       select $2, $3, $1, $4, coalesce(min(o.position), 1) - 1, coalesce(max(o.position), 0), count(*)
       from aftercommit.outbox o where ${MATCHES}
       on conflict do nothing`,
      [JSON.stringify(replay.filter), replay.replayId, replay.actor, replay.ratePerSecond],
    );
    if (rowCount !== 1) return;
    const detail = { ...replay.filter, ratePerSecond: replay.ratePerSecond };
    await appendAudit(client, {
      actor: replay.actor,
      action: 'replay.start',
      subject: replay.replayId,
      detail,
    });
  });
  return (await readReplay(pool, replay.replayId))!;
}

export async function readReplay(pool: Pool, replayId: string): Promise<ReplayView | null> {
  const [row] = await statement<ReplayView>(
    pool,
    `select ${VIEW} from aftercommit.replays r where r.replay_id = $1`,
    [replayId],
  );
  return row ?? null;
}

/** Newest first. */
export async function listReplays(
  pool: Pool,
  page: { limit: number; cursor?: string | undefined },
): Promise<Page<ReplayView>> {
  return pageOf<ReplayView, ReplayView & { page_id: string; page_at: string }>(pool, {
    text: `select ${VIEW}, r.replay_id as page_id, date_trunc('milliseconds', r.created_at) as page_at
           from aftercommit.replays r where true`,
    values: [],
    page,
    view: ({ page_id: _id, page_at: _at, ...view }) => view,
  });
}

/** What each command asks of a replay's state. A repeat of one that has taken effect changes nothing. */
const COMMANDS = {
  pause: { to: 'PAUSED', from: ['RUNNING', 'PAUSED'] },
  resume: { to: 'RUNNING', from: ['RUNNING', 'PAUSED'] },
  cancel: { to: 'CANCELLED', from: ['RUNNING', 'PAUSED', 'CANCELLED'] },
} as const satisfies Record<string, { to: ReplayState; from: ReplayState[] }>;
export type ReplayCommand = keyof typeof COMMANDS;

/**
 * Pauses, resumes or cancels a replay. What a cancelled one had not sent is not sent, once its workflow has seen it; what
 * is being sent ends.
 * @returns null when there is none of this id
 * @throws ConflictingStateError (not retryable) when it is too late
 */
export async function commandReplay(
  pool: Pool,
  replayId: string,
  command: ReplayCommand,
  actor: string,
): Promise<ReplayView | null> {
  const { to, from } = COMMANDS[command];
  await transaction(
    pool,
    async (client) => {
      const { rows } = await client.query<{ state: ReplayState }>(
        'select state from aftercommit.replays where replay_id = $1 for update',
        [replayId],
      );
      const state = rows[0]?.state;
      if (state === undefined) return;
      if (!(from as readonly ReplayState[]).includes(state)) {
        throw new ConflictingStateError(`The replay is ${state} and cannot ${command}.`, {
          extensions: { state },
        });
      }
      if (state === to) return;
      await client.query(
        'update aftercommit.replays set state = $2, updated_at = now() where replay_id = $1',
        [replayId, to],
      );
      await appendAudit(client, { actor, action: `replay.${command}`, subject: replayId, detail: {} });
    },
    ONCE,
  );
  return readReplay(pool, replayId);
}

/** How a replay stands after a step. */
export interface ReplayProgress {
  state: ReplayState;
  ratePerSecond: number;
  /** Deliveries that are not done. */
  open: number;
  /** True when every event has its deliveries. */
  routed: boolean;
  /** True when this step gave some to events. */
  advanced: boolean;
}

/**
 * Gives the next events of a running replay their deliveries, unless enough of them are still open, and completes it when
 * none is left. One transaction under the replay's row: two that do this at once take turns. Idempotent.
 * @param openMax - deliveries that may wait at once
 */
export async function advanceReplay(
  pool: Pool,
  replayId: string,
  how: { route: RouteEvent; at: string; openMax: number },
): Promise<ReplayProgress | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{
      state: ReplayState;
      filter: ReplayFilter;
      position: number;
      last_position: number;
      rate_per_second: number;
      open: number;
    }>(
      `select r.state, r.filter, r.position, r.last_position, r.rate_per_second,
         (select count(*)::int from aftercommit.deliveries d where d.replay_id = r.replay_id and d.state in ('READY', 'SENDING')) as open
       from aftercommit.replays r where r.replay_id = $1 for update`,
      [replayId],
    );
    const replay = rows[0];
    if (replay === undefined) return null;
    const ratePerSecond = replay.rate_per_second;
    const isRouted = replay.position >= replay.last_position;
    if (replay.state === 'CANCELLED') {
      return {
        state: 'CANCELLED',
        ratePerSecond,
        open: await dropUnsent(client, replayId),
        routed: isRouted,
        advanced: false,
      };
    }
    const still = { ratePerSecond, open: replay.open, routed: isRouted, advanced: false };
    if (replay.state !== 'RUNNING' || (!isRouted && replay.open >= how.openMax)) {
      return { ...still, state: replay.state };
    }
    if (isRouted) {
      if (replay.open > 0) return { ...still, state: 'RUNNING' };
      await client.query(
        `update aftercommit.replays set state = 'COMPLETED', updated_at = now() where replay_id = $1`,
        [replayId],
      );
      return { ...still, state: 'COMPLETED' };
    }
    const events = await client.query<OutboxRow & { position: number }>(
      `select ${OUTBOX_COLUMNS}, o.position from aftercommit.outbox o
       where ${MATCHES} and o.position > $2 and o.position <= $3 order by o.position limit ${ROUTE_MAX}`,
      [JSON.stringify(replay.filter), replay.position, replay.last_position],
    );
    const { target } = replay.filter;
    await freezeDeliveries(client, events.rows, {
      route: (event) => how.route(event).filter((to) => target === undefined || to.targetName === target),
      at: how.at,
      replayId,
    });
    const reached = events.rows.length < ROUTE_MAX ? replay.last_position : events.rows.at(-1)!.position;
    await client.query(
      `update aftercommit.replays set position = $2, events_routed = events_routed + $3, updated_at = now() where replay_id = $1`,
      [replayId, reached, events.rows.length],
    );
    return { ...still, state: 'RUNNING', open: replay.open + 1, advanced: true };
  });
}

/**
 * What was never tried goes without a trace; what was tried, or whose sender died, is a dead letter.
 * @returns how many are being sent at this moment: their outcome counts, and the next look finds what came back
 */
async function dropUnsent(client: Queryable, replayId: string): Promise<number> {
  await client.query(
    `delete from aftercommit.deliveries where replay_id = $1 and state = 'READY' and attempts = 0`,
    [replayId],
  );
  await client.query(
    `update aftercommit.deliveries set state = 'DEAD', error_code = 'replay_cancelled', finished_at = now(), send_until = null
     where replay_id = $1 and (state = 'READY' or (state = 'SENDING' and send_until < now()))`,
    [replayId],
  );
  const { rows } = await client.query<{ open: number }>(
    `select count(*)::int as open from aftercommit.deliveries where replay_id = $1 and state = 'SENDING'`,
    [replayId],
  );
  return rows[0]!.open;
}
