import { Context } from '@temporalio/activity';
import type { Channel, SendResult } from '../channels/channel';
import { clampRetryAfterMs } from '../domain/deliveries';
import {
  messageBody,
  nextStep,
  unsentRetryInMs,
  type NotificationStep,
  type NotificationWaits,
} from '../domain/notifications';
import {
  claimAttempts,
  declareAmbiguous,
  holdAttempt,
  nextAttemptAfter,
  ownedSids,
  readAmbiguousAttempt,
  readLatestAttempt,
  recordAttempt,
  recordLookUp,
  suppressAttempt,
  type AttemptResult,
  type ClaimedAttempt,
} from '../database/notifications';
import { parkStep } from '../database/parked';
import type { Pool } from '../database/pool';
import { activityName, withHeartbeat } from './heartbeat';

/** A claim may be sent for this long; a sender that was stopped for longer (a zombie) finds it over and sends nothing. */
const SEND_WINDOW_MS = 5_000;

/** What became due meanwhile waits this long: a loop of activities must never be tight. */
const WAIT_MS_MIN = 100;

export interface NotificationActivities {
  /** Carries out the next step of a notification and tells what comes after it, and when. Idempotent by attempt. */
  continueNotification(input: {
    notificationId: string;
  }): Promise<{ kind: NotificationStep['kind']; waitMs: number }>;
}

export interface NotificationDeps {
  pool: Pool;
  channels: Record<string, Channel>;
  waits: NotificationWaits;
  /** How long a call to the provider may take, in milliseconds. */
  providerTimeoutMs: number;
}

/** Sends the first attempts of an order that are due. Part of the grouped delivery step. */
export async function sendFirstAttempts(deps: NotificationDeps, orderId: string): Promise<void> {
  const deadline = performance.now() + SEND_WINDOW_MS;
  const claimed = await claimAttempts(deps.pool, {
    orderId,
    claimedBy: activityName(),
    sendForMs: SEND_WINDOW_MS,
  });
  await Promise.all(claimed.map((attempt) => sendClaimed(deps, attempt, deadline)));
}

/** Makes one call for one claimed attempt and stores what came of it. The row said SENDING before this. */
async function sendClaimed(deps: NotificationDeps, attempt: ClaimedAttempt, deadline: number): Promise<void> {
  const channel = deps.channels[attempt.channel];
  if (channel === undefined) throw new RangeError(`there is no channel ${attempt.channel}`);
  if (performance.now() >= deadline) {
    const late = { state: 'READY', code: 'claim_expired', retryInMs: 0 } as const;
    await recordAttempt(deps.pool, attempt.attemptId, late);
    return;
  }
  if (attempt.to === null) return suppressAttempt(deps.pool, attempt.attemptId);
  const body = bodyOf(attempt);
  const result = await channel.send({ to: attempt.to, body, attemptId: attempt.attemptId });
  await recordAttempt(
    deps.pool,
    attempt.attemptId,
    resultOf(result, unsentRetryInMs(attempt.sends, deps.waits)),
  );
}

function bodyOf(attempt: ClaimedAttempt): string {
  return messageBody(attempt.template, { orderId: attempt.orderId, ...attempt.facts });
}

function resultOf(result: SendResult, unsentRetryMs: number): AttemptResult {
  const { latencyMs } = result;
  switch (result.kind) {
    case 'accepted':
      return { state: 'ACCEPTED', messageSid: result.sid, providerStatus: result.status, latencyMs };
    case 'rejected':
      return { state: 'REJECTED', code: result.code, message: result.message, latencyMs };
    case 'unsent': {
      const retryInMs =
        result.retryAfterMs === undefined ? unsentRetryMs : clampRetryAfterMs(result.retryAfterMs);
      return { state: 'READY', code: result.code, message: result.message, latencyMs, retryInMs };
    }
    case 'ambiguous':
      return { state: 'AMBIGUOUS', code: result.code, message: result.message, latencyMs };
  }
}

export function createNotificationActivities(
  deps: NotificationDeps & { now: () => Date },
): NotificationActivities {
  const { pool } = deps;

  async function read(notificationId: string): Promise<NotificationStep & { orderId?: string; now: number }> {
    const latest = await readLatestAttempt(pool, notificationId);
    if (latest === null) return { kind: 'done', now: 0 };
    return { ...nextStep(latest, deps), orderId: latest.orderId, now: latest.now };
  }

  /** Asks the provider for a message that nobody knows the outcome of, and adopts the first that no attempt owns. */
  async function lookUp(attemptId: string): Promise<void> {
    const attempt = await readAmbiguousAttempt(pool, attemptId);
    if (attempt === null) return;
    const channel = deps.channels[attempt.channel];
    if (channel === undefined) throw new RangeError(`there is no channel ${attempt.channel}`);
    if (attempt.to === null) return suppressAttempt(pool, attemptId);
    const found = await channel.find({ to: attempt.to, body: bodyOf(attempt), since: attempt.startedAt });
    const owned = await ownedSids(
      pool,
      found.map((message) => message.sid),
    );
    const oldest = found.filter((message) => !owned.has(message.sid)).at(-1);
    if (oldest === undefined) return recordLookUp(pool, attemptId, attempt.lookUps);
    const adopted = {
      state: 'ACCEPTED',
      messageSid: oldest.sid,
      providerStatus: oldest.status,
      code: 'adopted',
    } as const;
    await recordAttempt(pool, attemptId, adopted);
  }

  async function carryOut(
    step: Exclude<NotificationStep, { kind: 'done' }> & { orderId?: string },
  ): Promise<void> {
    const { attemptId } = step;
    switch (step.kind) {
      case 'send': {
        const deadline = performance.now() + SEND_WINDOW_MS;
        const claim = { attemptId, claimedBy: activityName(), sendForMs: SEND_WINDOW_MS };
        for (const attempt of await claimAttempts(pool, claim)) await sendClaimed(deps, attempt, deadline);
        return;
      }
      case 'declare_ambiguous':
        return declareAmbiguous(pool, attemptId);
      case 'look_up':
        return lookUp(attemptId);
      case 'resend':
        return nextAttemptAfter(pool, attemptId);
      case 'hold':
        // Parked first: a crash between the two must not leave a held attempt that nobody sees.
        await parkStep(pool, {
          orderId: step.orderId!,
          step: `notify:${attemptId}`,
          reason: 'message_outcome_unknown',
          workflowId: Context.current().info.workflowExecution?.workflowId ?? 'none',
        });
        return holdAttempt(pool, attemptId);
    }
  }

  return {
    continueNotification: ({ notificationId }) =>
      withHeartbeat(async () => {
        const due = await read(notificationId);
        if (due.kind !== 'done' && due.at <= due.now) await carryOut(due);
        const next = await read(notificationId);
        if (next.kind === 'done') return { kind: 'done', waitMs: 0 };
        return { kind: next.kind, waitMs: Math.max(WAIT_MS_MIN, next.at - next.now) };
      }),
  };
}
