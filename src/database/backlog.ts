import type { Pool } from 'pg';
import { statement } from './transaction';

/** What waits because of a rule or a target. */
export interface BacklogOf {
  rule?: string | undefined;
  target?: string | undefined;
}

/** Deliveries that are not done yet, by the name of their rule or target. */
export async function countBacklogs(pool: Pool, by: 'rule' | 'target'): Promise<Map<string, number>> {
  const column = { rule: 'rule_name', target: 'target_name' }[by];
  const rows = await statement<{ name: string; open: number }>(
    pool,
    `select ${column} as name, count(*)::int as open from aftercommit.deliveries
     where state in ('READY', 'SENDING') group by ${column}`,
    [],
  );
  return new Map(rows.map((row) => [row.name, row.open]));
}

/** Whose workflow goes on with it: an order, a subject or a replay. */
export interface BacklogOwner {
  aggregateId: string;
  replayId: string | null;
  /** The group of the flash lane that delivers for the order; null when nobody does but itself. */
  groupId: string | null;
}

/** SQL: of a delivery `d`. A group that has ended delivers nothing any more. */
const GROUP_ID = `(
  select g.group_id from aftercommit.orders o join aftercommit.groups g on g.group_id = o.group_id
  where o.order_id = d.aggregate_id and o.workflow_id = 'group/' || o.group_id and g.state <> 'ENDED')`;

/**
 * Whose deliveries wait, page by page.
 * @param after - the last owner of the page before
 */
export async function backlogOwners(
  pool: Pool,
  of: BacklogOf,
  page: { after: BacklogOwner | null; limit: number },
): Promise<BacklogOwner[]> {
  return statement<BacklogOwner>(
    pool,
    `select distinct d.aggregate_id as "aggregateId", d.replay_id as "replayId", ${GROUP_ID} as "groupId"
     from aftercommit.deliveries d
     where d.state in ('READY', 'SENDING') and ($1::text is null or d.rule_name = $1) and ($2::text is null or d.target_name = $2)
       and ($3::uuid is null
            or (d.aggregate_id, coalesce(d.replay_id, '${NO_REPLAY}')) > ($3, coalesce($4::uuid, '${NO_REPLAY}')))
     order by d.aggregate_id, d.replay_id nulls first limit $5`,
    [
      of.rule ?? null,
      of.target ?? null,
      page.after?.aggregateId ?? null,
      page.after?.replayId ?? null,
      page.limit,
    ],
  );
}

/** Each delivery that gets through after a failure brings so many others forward: a recovery spreads like a rumour. */
const BROUGHT_FORWARD_MAX = 20;
/** What is due sooner than this is left alone. */
const SOON_SECONDS = 2;

/**
 * Makes the deliveries that have waited longest for a target due, because one of them got through: after a long outage the
 * waits are long. Those whose receiver asked for the wait keep it.
 * @returns whose they are: their workflows sleep until the old time and have to be woken
 */
export async function bringForward(pool: Pool, target: string): Promise<BacklogOwner[]> {
  return statement<BacklogOwner>(
    pool,
    `update aftercommit.deliveries d set next_attempt_at = now()
     where d.delivery_id in (
       select w.delivery_id from aftercommit.deliveries w
       where w.target_name = $1 and w.state = 'READY' and w.next_attempt_at > now() + interval '${SOON_SECONDS} seconds'
         and not w.asked_to_wait
       order by w.created_at, w.seq limit ${BROUGHT_FORWARD_MAX} for no key update skip locked)
     returning d.aggregate_id as "aggregateId", d.replay_id as "replayId", ${GROUP_ID} as "groupId"`,
    [target],
  );
}

/** Sorts before every replay. */
const NO_REPLAY = '00000000-0000-0000-0000-000000000000';
