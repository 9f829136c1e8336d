import type { Channel, SendResult } from '../channels/channel';
import { adopt, moveAttempt, recordRejected, recordUnsent, suppressAttempt } from '../database/notifications';
import { claimAttempts, recordAmbiguous, type ClaimedAttempt } from '../database/notification-attempts';
import type { Settled } from '../database/notification-settling';
import type { Pool } from '../database/pool';
import { applyEarlyReports } from '../database/provider-reports';
import { takeShare } from '../database/target-rates';
import { clampRetryAfterMs } from '../domain/deliveries';
import type { ChannelName } from '../domain/message-status';
import { unsentRetryInMs, type NotificationWaits } from '../domain/notifications';
import { reach, type Reach, type ReachRules } from '../domain/reachability';
import type { MessageContent } from '../domain/templates';
import type { Logger } from '../log';
import type { Metrics } from '../metrics';
import { activityName } from './heartbeat';
import type { Records } from './records';
import type { SilenceWatch } from './silence-watch';
import type { TemplateBook } from './templates';

/** A claim may be sent for this long; a sender that was stopped for longer (a zombie) finds it over and sends nothing. */
export const MESSAGE_WINDOW_MS = 5_000;
/** A share of a channel's rate that begins later than this is not waited for here: the attempt goes back until then. */
const RATE_WAIT_MS_MAX = 1_000;
/** Shares are taken so far ahead at most. Longer than any message may wait: it expires first. */
const RATE_AHEAD_MS_MAX = 7 * 24 * 3_600_000;
/** After a mistake of ours that repeating at once cannot mend. */
const BUG_RETRY_MS = 60_000;

export interface NotificationDeps {
  pool: Pool;
  records: Records;
  channels: Partial<Record<ChannelName, Channel>>;
  templates: TemplateBook;
  reachRules: ReachRules;
  /** Messages a second that all processes together may send on a channel; absent: as many as there are. */
  channelRates: Partial<Record<ChannelName, number>>;
  waits: NotificationWaits;
  /** How long a call to the provider may take, in milliseconds. */
  providerTimeoutMs: number;
  silence: SilenceWatch;
  log: Pick<Logger, 'error' | 'warn'>;
  metrics: Pick<Metrics, 'notificationAttempt' | 'notificationSettled'>;
  now: () => Date;
}

/**
 * Claims what is due and makes one call for each: the first attempts of orders, in their grouped delivery step, or one
 * attempt of a notification's own workflow.
 */
export async function sendAttempts(
  deps: NotificationDeps,
  which: { orderIds: readonly string[] } | { attemptId: string },
): Promise<void> {
  const claimedBy = activityName();
  const deadline = performance.now() + MESSAGE_WINDOW_MS;
  const claimed = await claimAttempts(deps.pool, { ...which, claimedBy, ...messageClaimOf(deps) });
  await sendClaimedAttempts(deps, claimed, { claimedBy, deadline });
}

/** How messages are claimed, alone or with their order's commit. */
export function messageClaimOf({ waits, reachRules }: Pick<NotificationDeps, 'waits' | 'reachRules'>): {
  forMs: number;
  silenceMs: NotificationWaits['silenceMs'];
  configured: ReadonlySet<string>;
  isCounted: boolean;
} {
  return {
    forMs: MESSAGE_WINDOW_MS,
    silenceMs: waits.silenceMs,
    configured: reachRules.configured,
    isCounted: reachRules.dailyMax !== null,
  };
}

export interface Claim {
  claimedBy: string;
  /** By `performance.now()`. */
  deadline: number;
}

/** Makes one call for each claimed attempt. */
export async function sendClaimedAttempts(
  deps: NotificationDeps,
  attempts: readonly ClaimedAttempt[],
  claim: Claim,
): Promise<void> {
  await Promise.all(attempts.map((attempt) => sendClaimed(deps, attempt, claim)));
}

/** Gives claims back unsent: whoever looks for what is due takes them. */
export async function returnAttempts(
  deps: NotificationDeps,
  attempts: readonly ClaimedAttempt[],
  claim: Claim,
): Promise<void> {
  const back = { code: 'claim_expired', retryInMs: 0 };
  await Promise.all(attempts.map((attempt) => putBack(deps, attempt, claim, back)));
}

/** What is sent, to whom, and how, once everything has been asked that may keep it back. */
interface Call {
  to: string;
  name: ChannelName;
  channel: Channel;
  content: MessageContent;
}

async function sendClaimed(deps: NotificationDeps, attempt: ClaimedAttempt, claim: Claim): Promise<void> {
  const call = await prepareOrPutBack(deps, attempt, claim);
  if (call === null) return;
  const { to, name, channel, content } = call;
  const result = await channel.send({ to, attemptId: attempt.attemptId, content });
  deps.metrics.notificationAttempt({ channel: name, result: result.kind });
  await recordResult(deps, { attempt, claimedBy: claim.claimedBy, channel: name }, result);
}

/** A mistake of ours before the call must not hold up the order's events, nor make an attempt ambiguous that was never sent. */
async function prepareOrPutBack(
  deps: NotificationDeps,
  attempt: ClaimedAttempt,
  claim: Claim,
): Promise<Call | null> {
  try {
    return await prepareCall(deps, attempt, claim);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    deps.log.error({ attemptId: attempt.attemptId, error: error.message }, 'a message could not be made');
    return putBack(deps, attempt, claim, { code: 'internal_error', retryInMs: BUG_RETRY_MS });
  }
}

/** @returns null when nothing is to be sent now: then the attempt was put back, or closed */
async function prepareCall(
  deps: NotificationDeps,
  attempt: ClaimedAttempt,
  claim: Claim,
): Promise<Call | null> {
  const { attemptId, to } = attempt;
  if (to === null) return suppress(deps, attemptId, { code: 'contact_erased', skipped: [] });
  if (attempt.isExpired) return putBack(deps, attempt, claim, { code: 'expired', retryInMs: 0 });
  const reached = await reachOf(deps, attempt);
  switch (reached.kind) {
    case 'suppress':
      return suppress(deps, attemptId, reached);
    case 'wait': {
      const retryInMs = Math.max(0, reached.until.getTime() - deps.now().getTime());
      return putBack(deps, attempt, claim, { code: 'quiet_hours', retryInMs });
    }
    case 'send': {
      const channel = deps.channels[reached.channel];
      if (channel === undefined) throw new RangeError(`there is no channel ${reached.channel}`);
      const isReady = await takeTurn(deps, attempt, { ...claim, reached });
      return isReady ? { to, name: reached.channel, channel, content: reached.content } : null;
    }
  }
}

async function reachOf(deps: NotificationDeps, attempt: ClaimedAttempt): Promise<Reach> {
  const definition = await deps.templates.get(attempt.template, attempt.templateVersion);
  const { channels, person, orderId } = attempt;
  const message = { definition, channels, facts: { orderId, ...attempt.facts } };
  return reach(message, person, deps.reachRules, deps.now());
}

/** Notes the channel, and waits for its rate. @returns false when the call is not to be made now */
async function takeTurn(
  deps: NotificationDeps,
  attempt: ClaimedAttempt,
  { claimedBy, deadline, reached }: Claim & { reached: Extract<Reach, { kind: 'send' }> },
): Promise<boolean> {
  const { attemptId } = attempt;
  const { channel, skipped } = reached;
  if (skipped.length > 0) {
    const silenceMs = deps.waits.silenceMs[channel];
    if (!(await moveAttempt(deps.pool, { attemptId, claimedBy, channel, skipped, silenceMs }))) return false;
  }
  const claim = { claimedBy, deadline };
  const waitMs = attempt.hasShare ? 0 : await takeRate(deps, channel);
  if (waitMs > RATE_WAIT_MS_MAX) {
    await putBack(deps, attempt, claim, { code: 'rate_limited', retryInMs: waitMs });
    return false;
  }
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  if (performance.now() < deadline) return true;
  await putBack(deps, attempt, claim, { code: 'claim_expired', retryInMs: 0 });
  return false;
}

/** In how many milliseconds the call may be made. The share is this attempt's, however far ahead: nobody asks again and again. */
async function takeRate(deps: NotificationDeps, channel: ChannelName): Promise<number> {
  const perSecond = deps.channelRates[channel];
  if (perSecond === undefined) return 0;
  const rate = { name: `channel/${channel}`, perSecond, sends: 1, waitMsMax: RATE_AHEAD_MS_MAX };
  return (await takeShare(deps.pool, rate)) ?? RATE_AHEAD_MS_MAX;
}

async function recordResult(
  deps: NotificationDeps,
  sent: { attempt: ClaimedAttempt; claimedBy: string; channel: ChannelName },
  result: SendResult,
): Promise<void> {
  const { pool } = deps;
  const { attemptId, sends, unprocessed } = sent.attempt;
  switch (result.kind) {
    case 'accepted': {
      const { sid, status, latencyMs } = result;
      const { isStored, hasEarlyReports } = await deps.records.accepted({
        attemptId,
        sid,
        status,
        latencyMs,
      });
      if (!isStored) {
        const report = { status, errorCode: null };
        settledWith(deps, await adopt(pool, { attemptId, sid, by: 'late_answer', report }));
      }
      if (hasEarlyReports) settledWith(deps, await applyEarlyReports(pool, { attemptId, sid }));
      return deps.silence.watch(sent.channel);
    }
    case 'rejected':
      return settledWith(deps, await recordRejected(pool, { attemptId, ...result }));
    case 'unsent': {
      const { code, message, latencyMs, retryAfterMs } = result;
      const retryInMs =
        retryAfterMs === undefined
          ? unsentRetryInMs(unprocessed, deps.waits)
          : clampRetryAfterMs(retryAfterMs);
      const { claimedBy } = sent;
      const unsent = { attemptId, claimedBy, sends, retryInMs, code, message, latencyMs };
      return settledWith(deps, await recordUnsent(pool, unsent));
    }
    case 'ambiguous':
      return recordAmbiguous(pool, { attemptId, ...result });
  }
}

async function putBack(
  deps: NotificationDeps,
  { attemptId, sends }: ClaimedAttempt,
  { claimedBy }: Claim,
  back: { code: string; retryInMs: number },
): Promise<null> {
  settledWith(deps, await recordUnsent(deps.pool, { attemptId, claimedBy, sends, ...back }));
  return null;
}

async function suppress(
  deps: NotificationDeps,
  attemptId: string,
  { code, skipped }: { code: string; skipped: readonly object[] },
): Promise<null> {
  settledWith(deps, await suppressAttempt(deps.pool, { attemptId, code, skipped }));
  return null;
}

/** Counts what followed from a change. */
export function settledWith(
  deps: Pick<NotificationDeps, 'metrics'>,
  settled: Pick<Settled, 'ended'> | Settled | null,
): void {
  if (settled !== null) deps.metrics.notificationSettled({ fallback: null, resolved: null, ...settled });
}
