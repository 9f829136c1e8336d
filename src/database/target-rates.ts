import type { Pool } from 'pg';
import { prepared } from './transaction';

/**
 * Takes a share of a rate that all processes hold together: the time of the next free send moves on by as many sends as
 * are taken.
 * @param name - of the target, or `replay/{replayId}`
 * @param waitMsMax - a share that would begin later than this is not taken
 * @returns in how many milliseconds the share begins, or null when it was not taken
 */
export async function takeShare(
  pool: Pool,
  rate: { name: string; perSecond: number; sends: number; waitMsMax: number },
): Promise<number | null> {
  const spanMs = (rate.sends * 1_000) / rate.perSecond;
  const [row] = await prepared<{ wait_ms: number }>(
    pool,
    `insert into aftercommit.target_rates as r (target_name, next_at)
     values ($1, clock_timestamp() + $2 * interval '1 millisecond')
     on conflict (target_name) do update
       set next_at = greatest(r.next_at, clock_timestamp()) + $2 * interval '1 millisecond'
       where r.next_at < clock_timestamp() + $3 * interval '1 millisecond'
     returning greatest(0, extract(epoch from next_at - clock_timestamp()) * 1000 - $2)::float as wait_ms`,
    [rate.name, spanMs, rate.waitMsMax],
  );
  return row?.wait_ms ?? null;
}
