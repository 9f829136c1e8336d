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
}

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
    `select distinct d.aggregate_id as "aggregateId", d.replay_id as "replayId" from aftercommit.deliveries d
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

/** Sorts before every replay. */
const NO_REPLAY = '00000000-0000-0000-0000-000000000000';
