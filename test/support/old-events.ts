import { Client } from 'pg';

/** Rows of one statement while they are made. */
const CHUNK_ROWS = 100_000;

/**
 * Writes events that everybody has had, each with a delivery and its attempt, spread over the 100 days before `newestDays`
 * days ago.
 */
export async function writeOldEvents(
  url: string,
  { count, newestDays }: { count: number; newestDays: number },
): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // Rows that fit together are made by one hand: no trigger has to look.
    await client.query('set session_replication_role = replica');
    for (let from = 0; from < count; from += CHUNK_ROWS) {
      const rows = Math.min(CHUNK_ROWS, count - from);
      await client.query(CHUNK, [from + 1, from + rows, count, newestDays]);
    }
  } finally {
    await client.end();
  }
}

const CHUNK = `
  with made as materialized (
    select gen_random_uuid() as id, gen_random_uuid() as delivery_id, n,
           now() - ($4::int + 100 * (1 - n::float / $3::int)) * interval '1 day' as at
    from generate_series($1::int, $2::int) as n),
  events as (
    insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, routed_at,
                                    published_at, workflow_id)
    select id, 'subject', id, 1, 'bench', 'old', jsonb_build_object('n', n, 'text', repeat('x', 200)), at, at,
           at + interval '20 milliseconds', 'deliver/' || id
    from made),
  sent as (
    insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name, state, attempts,
                                        claimed_by, next_attempt_at, first_attempt_at, created_at, finished_at)
    select delivery_id, id, id, 1, 'bench', 'bench', 'DELIVERED', 1, 'bench', at, at, at, at + interval '20 milliseconds'
    from made)
  insert into aftercommit.delivery_attempts (delivery_id, n, started_at, latency_ms, http_status, result)
  select delivery_id, 1, at, 5, 200, 'delivered' from made`;
