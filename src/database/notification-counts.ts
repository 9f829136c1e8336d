import type { Pool } from 'pg';
import type { ChannelName } from '../domain/message-status';
import { statement } from './transaction';

interface ReasonCount {
  reason: string | null;
  count: number;
}

/** What became of the notifications that were created in a time. Counted from their rows, so exact at the moment of asking. */
export interface NotificationCounts {
  notifications: {
    total: number;
    pending: number;
    delivered: number;
    unreached: number;
    suppressed: number;
    expired: number;
  };
  suppressed: ReasonCount[];
  unreached: ReasonCount[];
  channels: {
    channel: ChannelName;
    attempts: number;
    /** The provider has a message of it. */
    accepted: number;
    delivered: number;
    /** Accepted, and then not delivered. */
    failed: number;
    /** Accepted, and nothing final was heard. */
    silent: number;
    /** The provider refused it. */
    rejected: number;
    ambiguous: number;
  }[];
  /** From a channel to one behind it in the customer's order, with the code of the attempt before. */
  fallbacks: { from: ChannelName; to: ChannelName; reason: string | null; count: number }[];
  /** Attempts whose outcome was unknown, each in one of the others. */
  ambiguous: {
    total: number;
    callback: number;
    lookUp: number;
    lateAnswer: number;
    resend: number;
    operator: number;
    abandoned: number;
    held: number;
    open: number;
  };
  /** Channels that were passed over without a call. */
  skipped: { channel: ChannelName; code: string; count: number }[];
}

/** An ambiguous attempt of before that a late answer ended by a refusal has no word of its own. */
const RESOLUTION = `case state when 'HELD' then 'held' when 'AMBIGUOUS' then 'open'
  else coalesce(resolved_by, case when outcome = 'suppressed' then 'abandoned' else 'late_answer' end) end`;

const READ = `
  with chosen as materialized (
    select notification_id, status, reason, skipped, channels from aftercommit.notifications
    where created_at >= $1 and created_at < $2),
  attempts as materialized (
    select a.notification_id, a.channel, a.state, a.outcome, a.was_ambiguous, c.channels, ${RESOLUTION} as resolution,
           lag(a.channel) over in_order as "from", lag(coalesce(a.error_code, a.outcome)) over in_order as reason
    from aftercommit.notification_attempts a join chosen c using (notification_id)
    window in_order as (partition by a.notification_id order by a.n)),
  fallbacks as (
    select "from", channel as "to", reason, count(*) as count from attempts
    where array_position(channels, channel) > array_position(channels, "from") group by 1, 2, 3)
  select
    (select json_build_object('total', count(*), 'pending', count(*) filter (where status = 'PENDING'),
              'delivered', count(*) filter (where status = 'DELIVERED'), 'unreached', count(*) filter (where status = 'UNREACHED'),
              'suppressed', count(*) filter (where status = 'SUPPRESSED'), 'expired', count(*) filter (where status = 'EXPIRED'))
     from chosen) as notifications,
    (select coalesce(json_agg(r order by r.reason), '[]') from (
       select reason, count(*) as count from chosen where status = 'SUPPRESSED' group by 1) r) as suppressed,
    (select coalesce(json_agg(r order by r.reason), '[]') from (
       select reason, count(*) as count from chosen where status = 'UNREACHED' group by 1) r) as unreached,
    (select coalesce(json_agg(r order by r.channel), '[]') from (
       select channel, count(*) as attempts, count(*) filter (where state = 'ACCEPTED') as accepted,
              count(*) filter (where outcome = 'delivered') as delivered,
              count(*) filter (where outcome = 'failed' and state = 'ACCEPTED') as failed,
              count(*) filter (where outcome = 'silent') as silent,
              count(*) filter (where outcome = 'failed' and state = 'REJECTED') as rejected,
              count(*) filter (where was_ambiguous) as ambiguous
       from attempts group by 1) r) as channels,
    (select coalesce(json_agg(f order by f."from", f."to", f.reason), '[]') from fallbacks f) as fallbacks,
    (select json_build_object('total', count(*), 'callback', count(*) filter (where resolution = 'callback'),
              'lookUp', count(*) filter (where resolution = 'look_up'),
              'lateAnswer', count(*) filter (where resolution = 'late_answer'),
              'resend', count(*) filter (where resolution = 'resend'),
              'operator', count(*) filter (where resolution = 'operator'),
              'abandoned', count(*) filter (where resolution = 'abandoned'),
              'held', count(*) filter (where resolution = 'held'), 'open', count(*) filter (where resolution = 'open'))
     from attempts where was_ambiguous) as ambiguous,
    (select coalesce(json_agg(s order by s.channel, s.code), '[]') from (
       select one ->> 'channel' as channel, one ->> 'code' as code, count(*) as count
       from chosen cross join lateral jsonb_array_elements(skipped) one group by 1, 2) s) as skipped`;

/**
 * @param between - RFC 3339: created at `from` or later, and before `to`. The caller bounds it: every row in it is read.
 */
export async function countNotifications(
  pool: Pool,
  between: { from: string; to: string },
): Promise<NotificationCounts> {
  const [counts] = await statement<NotificationCounts>(pool, READ, [between.from, between.to]);
  return counts!;
}
