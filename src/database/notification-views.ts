import type { Pool } from 'pg';
import type { ChannelName } from '../domain/message-status';
import type { AttemptState, NotificationStatus } from '../domain/notifications';
import { pageOf, type Page } from './page';
import { statement } from './transaction';

/** One call to a provider. Times are RFC 3339. Without the number and its hash. */
export interface AttemptView {
  attemptId: string;
  n: number;
  channel: ChannelName;
  state: AttemptState;
  outcome: 'delivered' | 'failed' | 'silent' | 'suppressed' | null;
  /** How often a sender took it up. */
  claims: number;
  /** Of the last call to the provider. */
  latencyMs: number | null;
  /** From its creation to the provider's acceptance. */
  acceptedMs: number | null;
  /** From there to its outcome. */
  outcomeMs: number | null;
  messageSid: string | null;
  providerStatus: string | null;
  answeredBy: string | null;
  errorCode: string | null;
  wasAmbiguous: boolean;
  resolvedBy: string | null;
  lookUps: number;
  createdAt: string;
  /** Set while it waits to be sent. */
  nextAttemptAt: string | null;
  startedAt: string | null;
  lookedUpAt: string | null;
  acceptedAt: string | null;
  finishedAt: string | null;
  outcomeAt: string | null;
}

export interface NotificationView {
  notificationId: string;
  orderId: string;
  eventId: string;
  customerId: string;
  template: string;
  templateVersion: number;
  language: string | null;
  channels: ChannelName[];
  status: NotificationStatus;
  reason: string | null;
  skipped: { channel: ChannelName; code: string }[];
  expiresAt: string;
  createdAt: string;
  updatedAt: string;
  endedAt: string | null;
  attempts: AttemptView[];
}

/** Those of an attempt must all hold for one and the same attempt. */
export interface NotificationFilter {
  status?: NotificationStatus | undefined;
  template?: string | undefined;
  customerId?: string | undefined;
  orderId?: string | undefined;
  /** RFC 3339: created then or later. */
  from?: string | undefined;
  /** RFC 3339: created before. */
  to?: string | undefined;
  channel?: ChannelName | undefined;
  messageSid?: string | undefined;
  attemptState?: AttemptState | undefined;
  wasAmbiguous?: boolean | undefined;
  phoneHash?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Inside of JSON, where the pool's own way of reading times does not reach. */
function utc(time: string): string {
  return `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** The clocks of the process and of the database differ by a little: a wait is never negative. */
function elapsedMs(from: string, to: string): string {
  return `greatest(0, round(extract(epoch from ${to} - ${from}) * 1000))`;
}

const ATTEMPTS = `(
  select coalesce(json_agg(json_build_object(
    'attemptId', a.attempt_id, 'n', a.n, 'channel', a.channel, 'state', a.state, 'outcome', a.outcome, 'claims', a.sends,
    'latencyMs', a.latency_ms,
    'acceptedMs', case when a.accepted_at is not null then ${elapsedMs('a.created_at', 'a.accepted_at')} end,
    'outcomeMs', case when a.accepted_at is not null and a.outcome_at is not null then ${elapsedMs('a.accepted_at', 'a.outcome_at')} end,
    'messageSid', a.message_sid, 'providerStatus', a.provider_status, 'answeredBy', a.answered_by,
    'errorCode', a.error_code, 'wasAmbiguous', a.was_ambiguous, 'resolvedBy', a.resolved_by, 'lookUps', a.look_ups,
    'createdAt', ${utc('a.created_at')}, 'nextAttemptAt', case when a.state = 'READY' then ${utc('a.next_attempt_at')} end,
    'startedAt', ${utc('a.started_at')}, 'lookedUpAt', ${utc('a.looked_up_at')}, 'acceptedAt', ${utc('a.accepted_at')},
    'finishedAt', ${utc('a.finished_at')}, 'outcomeAt', ${utc('a.outcome_at')}) order by a.n), '[]')
  from aftercommit.notification_attempts a where a.notification_id = t.notification_id)`;

const VIEW = `t.notification_id as "notificationId", t.order_id as "orderId", t.event_id as "eventId",
  t.customer_id as "customerId", t.template, t.template_version as "templateVersion", t.language, t.channels, t.status,
  t.reason, t.skipped, t.expires_at as "expiresAt", t.created_at as "createdAt", t.updated_at as "updatedAt",
  t.ended_at as "endedAt", ${ATTEMPTS} as attempts`;

/** Notifications with their attempts, newest first. */
export async function listNotifications(
  pool: Pool,
  filter: NotificationFilter,
): Promise<Page<NotificationView>> {
  const { where, values } = conditionsOf(filter);
  return pageOf<NotificationView, NotificationView & { page_id: string; page_at: string }>(pool, {
    text: `select ${VIEW}, t.notification_id as page_id, t.created_at as page_at from aftercommit.notifications t where ${where}`,
    values,
    page: filter,
    view: ({ page_id: _id, page_at: _at, ...view }) => view,
  });
}

/** Only what was asked for stands in the statement, so that each filter finds its index. */
function conditionsOf(filter: NotificationFilter): { where: string; values: unknown[] } {
  const values: unknown[] = [];
  const of = (pairs: [condition: string, value: unknown][]): string[] =>
    pairs
      .filter(([, value]) => value !== undefined)
      .map(([condition, value]) => `${condition} $${values.push(value)}`);
  const wasAmbiguous = filter.wasAmbiguous === true ? true : undefined;
  const attempt = of([
    ['a.channel =', filter.channel],
    ['a.message_sid =', filter.messageSid],
    ['a.state =', filter.attemptState],
    ['a.phone_hash =', filter.phoneHash],
    ['a.was_ambiguous =', wasAmbiguous],
  ]);
  const all = of([
    ['t.status =', filter.status],
    ['t.template =', filter.template],
    ['t.customer_id =', filter.customerId],
    ['t.order_id =', filter.orderId],
    ['t.created_at >=', filter.from],
    ['t.created_at <', filter.to],
  ]);
  const attempts =
    'select 1 from aftercommit.notification_attempts a where a.notification_id = t.notification_id';
  if (attempt.length > 0) all.push(`exists (${attempts} and ${attempt.join(' and ')})`);
  if (filter.wasAmbiguous === false) all.push(`not exists (${attempts} and a.was_ambiguous)`);
  return { where: all.length === 0 ? 'true' : all.join(' and '), values };
}

export async function readNotificationView(
  pool: Pool,
  notificationId: string,
): Promise<NotificationView | null> {
  const [row] = await statement<NotificationView>(
    pool,
    `select ${VIEW} from aftercommit.notifications t where t.notification_id = $1`,
    [notificationId],
  );
  return row ?? null;
}

/** What a provider reported of a message that no attempt has. */
export interface UnknownCallbackView {
  messageSid: string;
  status: string;
  errorCode: string | null;
  answeredBy: string | null;
  /** How often it came. */
  received: number;
  receivedAt: string;
}

/**
 * Newest first. The cursor holds milliseconds and an id: the rows' own key is no UUID, so one is made of it.
 */
export async function listUnknownCallbacks(
  pool: Pool,
  page: { limit: number; cursor?: string | undefined },
): Promise<Page<UnknownCallbackView>> {
  return pageOf<UnknownCallbackView, UnknownCallbackView & { page_id: string; page_at: string }>(pool, {
    text: `select message_sid as "messageSid", status, error_code as "errorCode", answered_by as "answeredBy", received,
                  received_at as "receivedAt", md5(message_sid || ' ' || status)::uuid as page_id,
                  date_trunc('milliseconds', received_at) as page_at
           from aftercommit.provider_callbacks where attempt_id is null`,
    values: [],
    page,
    view: ({ page_id: _id, page_at: _at, ...view }) => view,
  });
}
