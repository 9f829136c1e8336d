import { Context } from '@temporalio/activity';
import type { FoundMessage } from '../channels/channel';
import {
  countClaimants,
  declareAmbiguous,
  ownedSids,
  readAmbiguousAttempt,
  recordLookUp,
  type ClaimedAttempt,
} from '../database/notification-attempts';
import {
  abandonAttempt,
  adopt,
  expireNotification,
  holdAttempt,
  markInWorkflow,
  readNotification,
  recordAnswer,
  resendLost,
  silentNotifications,
  type StoredNotification,
} from '../database/notifications';
import { parkStep } from '../database/parked';
import type { ChannelName } from '../domain/message-status';
import { nextStep, type NotificationStep } from '../domain/notifications';
import { renderContent } from '../domain/templates';
import { withHeartbeat } from './heartbeat';
import { sendAttempts, settledWith, type NotificationDeps } from './notification-sending';
import type { Successors } from './successors';

/** What became due meanwhile waits this long: a loop of activities must never be tight. */
const WAIT_MS_MIN = 100;
/** Silent messages that are woken by one query. */
const SILENT_PAGE = 200;
/** Clocks differ: who is woken a little early waits by itself. Source: two machines with NTP are within some 100 ms. */
const SILENT_EARLY_MS = 2_000;

/** What comes next for a notification, and when; at the end, how it ended. */
export interface NextOfNotification {
  kind: NotificationStep['kind'];
  waitMs: number;
  result?: { status: string; reason: string | null };
}

export interface NotificationActivities {
  /** Carries out the next step of a notification and tells what comes after it, and when. Idempotent by attempt. */
  continueNotification(input: { notificationId: string }): Promise<NextOfNotification>;
  /** Starts the workflows of the messages that are silent by then. @param input.until - epoch milliseconds. Idempotent. */
  wakeSilent(input: { until: number }): Promise<{ woken: number }>;
}

export function createNotificationActivities(
  deps: NotificationDeps & { successors: Successors },
): NotificationActivities {
  const { pool } = deps;
  return {
    continueNotification: ({ notificationId }) =>
      withHeartbeat(async () => {
        // Before anything is read: a report that comes after this wakes the workflow, one before it is seen here.
        await markInWorkflow(pool, notificationId, true);
        const before = await readNotification(pool, notificationId);
        const due = await stepOf(deps, before);
        if (before !== null && due.kind !== 'done' && due.at <= before.now)
          await carryOut(deps, { notificationId, notification: before, step: due });
        const after = await readNotification(pool, notificationId);
        const next = await stepOf(deps, after);
        if (after !== null && next.kind !== 'done')
          return { kind: next.kind, waitMs: Math.max(WAIT_MS_MIN, next.at - after.now) };
        await markInWorkflow(pool, notificationId, false);
        return ended(after);
      }),
    wakeSilent: ({ until }) => withHeartbeat(() => wakeSilent(deps, until)),
  };
}

async function stepOf(
  deps: NotificationDeps,
  notification: StoredNotification | null,
): Promise<NotificationStep> {
  if (notification === null) return { kind: 'done' };
  const { template, templateVersion, now } = notification;
  const { onAmbiguous } = await deps.templates.get(template, templateVersion);
  const { waits, providerTimeoutMs } = deps;
  return nextStep({ ...notification, onAmbiguous }, { waits, providerTimeoutMs, now });
}

function ended(notification: StoredNotification | null): NextOfNotification {
  if (notification === null) return { kind: 'done', waitMs: 0 };
  const { status, reason } = notification;
  return { kind: 'done', waitMs: 0, result: { status, reason } };
}

async function carryOut(
  deps: NotificationDeps,
  due: {
    notificationId: string;
    notification: StoredNotification;
    step: Exclude<NotificationStep, { kind: 'done' }>;
  },
): Promise<void> {
  const { pool } = deps;
  const { attemptId, kind } = due.step;
  switch (kind) {
    case 'send':
      return sendAttempts(deps, { attemptId });
    case 'expire':
      return settledWith(deps, await expireNotification(pool, due.notificationId));
    case 'declare_ambiguous':
      return declareAmbiguous(pool, attemptId);
    case 'look_up':
    case 'look_again':
      return lookUp(deps, attemptId);
    case 'resend':
      return settledWith(deps, await resendLost(pool, attemptId));
    case 'abandon':
      return settledWith(deps, await abandonAttempt(pool, attemptId));
    case 'hold':
      return holdAttempt(pool, attemptId, workflowId());
    case 'ask':
      return ask(deps, due.notification);
  }
}

/** Asks the provider for a message that nobody knows the outcome of, and adopts one that no attempt owns. */
async function lookUp(deps: NotificationDeps, attemptId: string): Promise<void> {
  const { pool } = deps;
  const attempt = await readAmbiguousAttempt(pool, attemptId);
  if (attempt === null) return;
  const { to, channels, startedAt: since } = attempt;
  const [channel] = channels as [ChannelName];
  // Without a number nobody can be looked for: the person was erased meanwhile.
  if (to === null) {
    settledWith(deps, await abandonAttempt(pool, attemptId));
    return recordLookUp(pool, attemptId, attempt.lookUps);
  }
  const provider = deps.channels[channel];
  const body = await bodyOf(deps, attempt, channel);
  // Nobody can be asked, or for nothing that is known: a person has to decide.
  if (provider === undefined || body === null) return holdAttempt(pool, attemptId, workflowId());
  const found = await provider.find({ to, body, since });
  const owned = await ownedSids(
    pool,
    found.map((message) => message.sid),
  );
  const message = await ownOf(
    deps,
    { ...attempt, body },
    found.filter(({ sid }) => !owned.has(sid)),
  );
  if (message === null) return recordLookUp(pool, attemptId, attempt.lookUps);
  const { sid, ...report } = message;
  settledWith(deps, await adopt(pool, { attemptId, sid, by: 'look_up', report }));
}

/**
 * Which of the messages that nobody owns is this attempt's: the oldest, when there are more than others may have made.
 * More than all attempts together made were doubled on the way, and a person is told.
 */
async function ownOf(
  deps: NotificationDeps,
  { attemptId, orderId, body }: ClaimedAttempt & { body: string },
  found: readonly FoundMessage[],
): Promise<FoundMessage | null> {
  if (found.length === 0) return null;
  const { rivals, givenUp } = await countClaimants(deps.pool, attemptId, body.includes(orderId));
  if (found.length <= rivals) return null;
  for (const { sid } of found.slice(0, Math.max(0, found.length - 1 - rivals - givenUp))) {
    const duplicate = {
      orderId,
      step: `duplicate:${sid}`,
      reason: 'message_doubled',
      // It has happened, and nobody can take it back: a person is told, and no workflow waits.
      workflowId: null,
    };
    await parkStep(deps.pool, duplicate);
  }
  return found.at(-1) ?? null;
}

function workflowId(): string {
  return Context.current().info.workflowExecution?.workflowId ?? 'none';
}

/** The words that were sent; null when they cannot be made again. */
async function bodyOf(
  deps: NotificationDeps,
  attempt: ClaimedAttempt,
  channel: ChannelName,
): Promise<string | null> {
  const definition = await deps.templates.get(attempt.template, attempt.templateVersion);
  const { orderId, facts, person } = attempt;
  const { language } = person;
  return renderContent(definition, { channel, language, facts: { orderId, ...facts } })?.body ?? null;
}

/** Nobody reported in time: what the provider says now counts, and if that is nothing final, it is silence. */
async function ask(deps: NotificationDeps, { attempt, messageSid }: StoredNotification): Promise<void> {
  if (messageSid === null) throw new RangeError('an accepted attempt has a sid');
  // A channel that has no sender any more has nobody to ask.
  const report = (await deps.channels[attempt.channel]?.read(messageSid)) ?? null;
  const answer = { attemptId: attempt.attemptId, sid: messageSid, report };
  settledWith(deps, await recordAnswer(deps.pool, answer));
}

async function wakeSilent(
  deps: NotificationDeps & { successors: Successors },
  until: number,
): Promise<{ woken: number }> {
  const at = new Date(Math.max(until, deps.now().getTime()) + SILENT_EARLY_MS).toISOString();
  let woken = 0;
  for (let after: string | null = null; ;) {
    const page = await silentNotifications(deps.pool, { at, after, limit: SILENT_PAGE });
    for (const notification of page) await deps.successors.notification(notification);
    woken += page.length;
    after = page.at(-1)?.notificationId ?? null;
    if (page.length < SILENT_PAGE) return { woken };
  }
}
