import type { Pool } from 'pg';
import { RANK_UNDER_WAY_MAX, rankOf, type ChannelName } from '../domain/message-status';
import { NOT_FOUND } from '../domain/notifications';
import type { QuietHours } from '../domain/quiet-hours';
import type { Person } from '../domain/reachability';
import { prepared, statement } from './transaction';

/** An attempt that this sender alone may make, with what it needs. Holds personal data: never return it to a workflow. */
export interface ClaimedAttempt {
  attemptId: string;
  notificationId: string;
  orderId: string;
  /** Which claim of this attempt it is. */
  sends: number;
  /** Calls before this one that were certainly not processed. */
  unprocessed: number;
  /** True when it waited for its share of the channel's rate, and has it now. */
  hasShare: boolean;
  /** The channel that is to be tried, and those after it. */
  channels: ChannelName[];
  template: string;
  templateVersion: number;
  /** Null once the person was erased. */
  to: string | null;
  person: Person;
  /** RFC 3339: when it was claimed. */
  startedAt: string;
  isExpired: boolean;
  /** How often the provider was asked for it. */
  lookUps: number;
  facts: { totalMinor?: number; amountMinor?: number; currency?: string };
}

/** An attempt as a claim reads it. */
export interface ClaimedRow extends Omit<ClaimedAttempt, 'channels' | 'person'> {
  channel: ChannelName;
  wanted: ChannelName[];
  country: string | null;
  language: string | null;
  timeZone: string | null;
  quietHours: QuietHours | null;
  messagesToday: number | null;
  known: Person['known'] | null;
}

/** What a sender needs of the attempts in `claimed`; `counted` has the messages of their numbers today. */
const CLAIMED = `
  select c.attempt_id as "attemptId", c.notification_id as "notificationId", c.order_id as "orderId", c.sends, c.channel,
         c.unprocessed, c.error_code is not distinct from 'rate_limited' as "hasShare",
         t.channels as wanted, t.template, t.template_version as "templateVersion", t.language, k.phone as "to", k.country,
         c.look_ups as "lookUps", c.started_at as "startedAt", t.expires_at <= now() as "isExpired",
         p.time_zone as "timeZone", p.quiet_hours as "quietHours", d.messages as "messagesToday",
         (select json_object_agg(r.channel, json_build_object('optedOut', r.opted_out_at is not null,
                   'lastInboundAt', (extract(epoch from r.last_inbound_at) * 1000)::bigint))
          from aftercommit.recipients r where r.phone_hash = k.phone_hash) as known,
         -- What the event does not have is not there.
         json_strip_nulls(json_build_object('totalMinor', o.payload -> 'totalMinor', 'amountMinor', o.payload -> 'amountMinor',
                                            'currency', o.payload -> 'currency')) as facts
  from claimed c
  join aftercommit.notifications t using (notification_id)
  join aftercommit.outbox o on o.id = t.event_id
  left join aftercommit.order_contacts k on k.order_id = c.order_id
  left join aftercommit.customer_preferences p on p.customer_id = t.customer_id
  left join counted d on d.phone_hash = k.phone_hash`;

/** Each number's first claims of the day's messages are counted, in the order of the hashes: two senders never wait for each other in a circle. */
const COUNTED = `
  counted as (
    insert into aftercommit.recipient_days as days (phone_hash, day, messages)
    select k.phone_hash, (now() at time zone 'UTC')::date, count(*)
    from claimed c join aftercommit.order_contacts k on k.order_id = c.order_id
    -- What waited for the end of quiet hours goes out on another day, as a rule.
    where c.sends = 1 or c.error_code = 'quiet_hours' group by 1 order by 1
    on conflict (phone_hash, day) do update set messages = days.messages + excluded.messages
    returning phone_hash, messages)`;
const NOT_COUNTED = `counted as (select null::text as phone_hash, null::int as messages where false)`;

/** The attempt's channel, or the next one in the order that is wanted, that has a sender ($6). */
const FIRST_CONFIGURED = `coalesce(
  (select wanted.channel from unnest(t.channels) with ordinality as wanted (channel, position)
   where wanted.position >= array_position(t.channels, a.channel) and wanted.channel = any ($6::text[])
   order by wanted.position limit 1), a.channel)`;

/**
 * Claims attempts in one statement: of any number of senders, one gets each. `READY` is certainly unsent.
 * @param claim.attemptId - only this one; else all that are due of the orders
 * @param claim.configured - channels that have a sender: the others are never tried
 * @param claim.isCounted - counts the messages of each number and day, for a cap
 */
export async function claimAttempts(
  pool: Pool,
  claim: {
    orderIds?: readonly string[];
    attemptId?: string;
    claimedBy: string;
    /** How long the claim lasts. Milliseconds. */
    forMs: number;
    silenceMs: Readonly<Record<ChannelName, number>>;
    configured: ReadonlySet<string>;
    isCounted: boolean;
  },
): Promise<ClaimedAttempt[]> {
  const rows = await prepared<ClaimedRow>(
    pool,
    `with due as materialized (
       select a.attempt_id, a.notification_id from aftercommit.notification_attempts a
       where a.state = 'READY' and a.next_attempt_at <= now()
         and ${claim.attemptId === undefined ? 'a.order_id = any ($1::uuid[])' : '$1::uuid[] is null'} and ($2::uuid is null or a.attempt_id = $2)),
     claimed as (
       update aftercommit.notification_attempts a
       set state = 'SENDING', claimed_by = $3, send_until = now() + $4 * interval '1 millisecond', started_at = now(),
           sends = sends + 1, phone_hash = k.phone_hash, channel = ${FIRST_CONFIGURED},
           silent_at = now() + ($5::jsonb ->> ${FIRST_CONFIGURED})::int * interval '1 millisecond'
       from aftercommit.notifications t left join aftercommit.order_contacts k on k.order_id = t.order_id
       -- By their keys, whatever the plan: one that was made while the tables were small joined all that was pending.
       where a.attempt_id = any (array(select attempt_id from due))
         and t.notification_id = any (array(select notification_id from due))
         and t.notification_id = a.notification_id and t.status = 'PENDING' and a.state = 'READY' and a.next_attempt_at <= now()
       returning a.*), ${claim.isCounted ? COUNTED : NOT_COUNTED}
     ${CLAIMED}`,
    [
      claim.orderIds ?? null,
      claim.attemptId ?? null,
      claim.claimedBy,
      claim.forMs,
      JSON.stringify(claim.silenceMs),
      [...claim.configured],
    ],
  );
  return rows.map(claimedOf);
}

/** Attempts that may have a message at the provider, and none that is known. */
const MAY_BE_FOUND = `(state = 'AMBIGUOUS' or (state = 'REJECTED' and error_code = '${NOT_FOUND}'))`;

/** The same facts of an attempt whose outcome is unknown, to look it up with. */
export async function readAmbiguousAttempt(pool: Pool, attemptId: string): Promise<ClaimedAttempt | null> {
  const [row] = await statement<ClaimedRow>(
    pool,
    `with claimed as (select * from aftercommit.notification_attempts where attempt_id = $1 and ${MAY_BE_FOUND}),
     ${NOT_COUNTED} ${CLAIMED}`,
    [attemptId],
  );
  return row === undefined ? null : claimedOf(row);
}

export function claimedOf(row: ClaimedRow): ClaimedAttempt {
  const { channel, wanted, country, language, timeZone, quietHours, messagesToday, known, ...attempt } = row;
  const position = wanted.indexOf(channel);
  return {
    ...attempt,
    channels: position === -1 ? [channel] : wanted.slice(position),
    person: { country, language, timeZone, quietHours, messagesToday, known: known ?? {} },
  };
}

/** A call that the provider accepted. */
export interface AcceptedCall {
  attemptId: string;
  sid: string;
  status: string;
  latencyMs: number;
}

/** What its record came to. */
export interface AcceptedRecord {
  /** False when the attempt was closed meanwhile: then the message is to be adopted. */
  isStored: boolean;
  /** True when reports came before anybody knew whose message it is. */
  hasEarlyReports: boolean;
}

/** Stores calls that the provider accepted, in one statement. What callbacks told before the answer stays. Idempotent. */
export async function recordAccepted(pool: Pool, calls: readonly AcceptedCall[]): Promise<AcceptedRecord[]> {
  const rows = await prepared<{ attempt_id: string; early: boolean }>(
    pool,
    'select * from aftercommit.record_accepted($1)',
    [
      JSON.stringify(
        calls.map(({ attemptId, sid, status, latencyMs }) => ({
          attempt_id: attemptId,
          sid,
          status,
          // Never final: what becomes of it is told by reports, and one of them must not find its rank taken.
          rank: Math.min(rankOf(status) ?? 0, RANK_UNDER_WAY_MAX),
          latency_ms: latencyMs,
        })),
      ),
    ],
  );
  const early = new Map(rows.map((row) => [row.attempt_id, row.early]));
  return calls.map(({ attemptId }) => ({
    isStored: early.has(attemptId),
    hasEarlyReports: early.get(attemptId) === true,
  }));
}

/** It may have been accepted. One that a callback told of meanwhile stays accepted, and is counted all the same. Idempotent. */
export async function recordAmbiguous(
  pool: Pool,
  ambiguous: { attemptId: string; code: string; message: string; latencyMs: number | null },
): Promise<void> {
  await statement(
    pool,
    `update aftercommit.notification_attempts
     set was_ambiguous = true, ambiguous_at = coalesce(ambiguous_at, now()), send_until = null, latency_ms = coalesce($4, latency_ms),
         error_code = case when state = 'SENDING' then $2 else error_code end,
         error = case when state = 'SENDING' then $3 else error end,
         resolved_by = case when state = 'ACCEPTED' then coalesce(resolved_by, 'callback') else resolved_by end,
         state = case when state = 'SENDING' then 'AMBIGUOUS' else state end
     where attempt_id = $1 and (state = 'SENDING' or (state = 'ACCEPTED' and not was_ambiguous))`,
    [ambiguous.attemptId, ambiguous.code, ambiguous.message, ambiguous.latencyMs],
  );
}

/** A claim whose sender is gone: from now on its outcome is unknown. Idempotent. */
export async function declareAmbiguous(pool: Pool, attemptId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.notification_attempts
     set state = 'AMBIGUOUS', was_ambiguous = true, ambiguous_at = now(), error_code = 'no_outcome', send_until = null
     where attempt_id = $1 and state = 'SENDING'`,
    [attemptId],
  );
}

/** Notes that the provider was asked and knew no such message. Idempotent. @param before - look-ups before this one */
export async function recordLookUp(pool: Pool, attemptId: string, before: number): Promise<void> {
  await statement(
    pool,
    `update aftercommit.notification_attempts set look_ups = $2 + 1, looked_up_at = now()
     where attempt_id = $1 and ${MAY_BE_FOUND} and look_ups = $2`,
    [attemptId, before],
  );
}

/** Sids among these that an attempt owns already: a message is adopted once. */
export async function ownedSids(pool: Pool, sids: string[]): Promise<Set<string>> {
  const rows = await statement<{ message_sid: string }>(
    pool,
    'select message_sid from aftercommit.notification_attempts where message_sid = any($1)',
    [sids],
  );
  return new Set(rows.map((row) => row.message_sid));
}

/** Who else may have made a message that a look-up finds. */
export interface Claimants {
  /** Attempts of other notifications, with the same words to the same number, whose message is not known yet. */
  rivals: number;
  /** Attempts of the same notification that were given up. */
  givenUp: number;
}

/**
 * Calls have no words at the provider, so every call to the number counts.
 * @param ofOrder - true when the words name the order: then only its own messages have the same
 */
export async function countClaimants(pool: Pool, attemptId: string, ofOrder: boolean): Promise<Claimants> {
  const [row] = await statement<Claimants>(
    pool,
    `select (count(*) filter (where b.notification_id <> a.notification_id and b.state in ('SENDING', 'AMBIGUOUS')
                                and (a.channel = 'voice' or (u.template = t.template and (b.order_id = a.order_id or not $3)))))::int as rivals,
            (count(*) filter (where b.notification_id = a.notification_id and b.state = 'REJECTED' and b.error_code = $2))::int as "givenUp"
     from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
     join aftercommit.notification_attempts b on b.phone_hash = a.phone_hash and b.channel = a.channel
       and b.attempt_id <> a.attempt_id and b.message_sid is null
     join aftercommit.notifications u on u.notification_id = b.notification_id
     where a.attempt_id = $1`,
    [attemptId, NOT_FOUND, ofOrder],
  );
  return row!;
}
