import { nextDeliveryInMs } from '../database/deliveries';
import { advanceReplay, type ReplayState } from '../database/replays';
import { takeUpDeadLetters } from '../database/redrives';
import { backlogOwners, type BacklogOwner } from '../database/backlog';
import type { BacklogInput } from '../workflows/messages';
import { Context } from '@temporalio/activity';
import { sendDue, WAIT_MS_MIN, type DeliveryDeps } from './deliveries';
import { withHeartbeat } from './heartbeat';
import { wakeOwners } from './successors';

/** Deliveries of one replay that may wait at once: a target that fails must not gather the whole archive. */
const REPLAY_OPEN_MAX = 2_000;
/** Deliveries of one claim, as many as one step routes to one target: a claim costs as much for few as for many. */
const REPLAY_CLAIM_MAX = 500;
/** One activity goes on for so long: a step in history for each 500 events took a second. Its own time is 2 min. */
const REPLAY_MS_MAX = 30_000;
/** What was being sent at a cancel is looked for again after this: most sends end within a second. */
const CANCELLED_LOOK_MS = 1_000;
/** Owners that are woken at once; each is a call to Temporal. */
const OWNERS_PER_PAGE = 50;

export interface ReplayActivities {
  /**
   * Routes events of a replay and sends what is due of it, for some time. Idempotent by the deliveries' ids.
   * @returns in how many milliseconds there is more to do, or null when it is at its end or paused
   */
  sendReplay(input: { replayId: string }): Promise<{ state: ReplayState; waitMs: number | null }>;
  /** Takes up the next dead letters of a redrive and wakes their workflows. None: it is complete. */
  redriveDeadLetters(input: { redriveId: string }): Promise<{ takenUp: number }>;
  /** Wakes the workflows of all deliveries that wait for a rule or a target. A repeat goes on where it was. */
  wakeBacklog(of: BacklogInput): Promise<{ woken: number }>;
}

export function createReplayActivities(deps: DeliveryDeps): ReplayActivities {
  const { pool, successors } = deps;
  return {
    sendReplay: ({ replayId }) =>
      withHeartbeat(async () => {
        const deadline = performance.now() + REPLAY_MS_MAX;
        for (;;) {
          const { state, waitMs } = await sendSome(replayId);
          if (waitMs !== 0) return { state, waitMs };
          if (performance.now() > deadline) return { state, waitMs: WAIT_MS_MIN };
        }
      }),

    redriveDeadLetters: ({ redriveId }) =>
      withHeartbeat(async () => {
        const takenUp = await takeUpDeadLetters(pool, redriveId);
        await wakeOwners(successors, takenUp);
        return { takenUp: takenUp.length };
      }),

    async wakeBacklog(of) {
      const context = Context.current();
      let { after, woken } = (context.info.heartbeatDetails ?? { after: null, woken: 0 }) as {
        after: BacklogOwner | null;
        woken: number;
      };
      for (;;) {
        const owners = await backlogOwners(pool, of, { after, limit: OWNERS_PER_PAGE });
        await wakeOwners(successors, owners);
        woken += owners.length;
        after = owners.at(-1) ?? after;
        context.heartbeat({ after, woken });
        if (owners.length < OWNERS_PER_PAGE) return { woken };
      }
    },
  };

  /** @returns 0 when there is more to do at once */
  async function sendSome(replayId: string): Promise<{ state: ReplayState; waitMs: number | null }> {
    const route = await deps.rules.current();
    const at = deps.now().toISOString();
    const progress = await advanceReplay(pool, replayId, { route, at, openMax: REPLAY_OPEN_MAX });
    if (progress === null) return { state: 'CANCELLED', waitMs: null };
    const { state, open, routed, advanced } = progress;
    if (state === 'CANCELLED' && open > 0) return { state, waitMs: CANCELLED_LOOK_MS };
    if (state !== 'RUNNING') return { state, waitMs: null };
    const rate = { name: `replay/${replayId}`, perSecond: progress.ratePerSecond };
    await sendDue(deps, { replayId }, { rate, limit: REPLAY_CLAIM_MAX });
    if (routed) return { state, waitMs: await untilNext(replayId, open) };
    // Where what is open has to wait, so has what comes after it.
    return { state, waitMs: advanced ? 0 : WAIT_MS_MIN };
  }

  /** All that is routed and open may be paused with its rule or target: whoever resumes that wakes the replay. */
  async function untilNext(replayId: string, open: number): Promise<number | null> {
    const nextInMs = await nextDeliveryInMs(pool, { replayId });
    if (nextInMs !== null) return Math.max(WAIT_MS_MIN, nextInMs);
    // Nothing is due: the next step finds that nothing is open, or that it waits for somebody.
    return open === 0 ? WAIT_MS_MIN : null;
  }
}
