import { Context } from '@temporalio/activity';
import type { Pool } from '../database/pool';
import { purgeEvents } from '../database/purge';

/** Rows of one transaction: short enough to hold up nobody. */
const BATCH_MAX = 500;
const DAY_MS = 24 * 60 * 60 * 1_000;

export interface PurgeActivities {
  /** Removes all events that are older than the archive's retention, batch by batch. Idempotent. */
  purgeArchive(): Promise<{ events: number }>;
}

export function createPurgeActivities(deps: {
  pool: Pool;
  now: () => Date;
  /** How long events are kept after their last delivery. */
  eventRetentionDays: number;
}): PurgeActivities {
  return {
    async purgeArchive() {
      const before = new Date(deps.now().getTime() - deps.eventRetentionDays * DAY_MS).toISOString();
      let events = 0;
      for (;;) {
        const removed = await purgeEvents(deps.pool, before, BATCH_MAX);
        events += removed;
        Context.current().heartbeat(events);
        if (removed < BATCH_MAX) return { events };
      }
    },
  };
}
