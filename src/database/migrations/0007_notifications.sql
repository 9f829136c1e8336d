-- Writes what a person is to be told of an event, with its first attempt, in the transaction that writes the event. The
-- template's version, the language and the order of the channels are fixed here; whether the person may be told at all is
-- decided when it is sent. Nothing is written while the template is disabled. Idempotent by event, customer and template.
--
-- p_notification: notification_id, attempt_id, template
create function aftercommit.tell(p_event_id uuid, p_order_id uuid, p_notification jsonb, p_now timestamptz) returns void
language plpgsql volatile as $$
declare
  v_id       uuid := (p_notification ->> 'notification_id')::uuid;
  v_channels text[];
begin
  insert into aftercommit.notifications (notification_id, event_id, order_id, customer_id, template, template_version, language,
                                         channels, expires_at, created_at, updated_at)
  select v_id, p_event_id, p_order_id, o.customer_id, t.name, t.version, p.language,
         coalesce(p.channels, k.channels, '{}'),
         p_now + (t.definition ->> 'expiresAfterSeconds')::int * interval '1 second', p_now, p_now
  from aftercommit.orders o
  cross join lateral (select name, version, definition from aftercommit.templates
                      where name = p_notification ->> 'template' order by version desc limit 1) t
  left join aftercommit.order_contacts k on k.order_id = o.order_id
  left join aftercommit.customer_preferences p on p.customer_id = o.customer_id
  where o.order_id = p_order_id and t.definition ->> 'state' = 'ENABLED'
  on conflict do nothing
  returning channels into v_channels;
  if not found then return; end if;

  if cardinality(v_channels) = 0 then
    update aftercommit.notifications set status = 'SUPPRESSED', reason = 'no_channel', ended_at = p_now
    where notification_id = v_id;
  else
    insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, created_at)
    values ((p_notification ->> 'attempt_id')::uuid, v_id, p_order_id, 1, v_channels[1], p_now);
  end if;
end $$;

-- Stores calls that the provider accepted: { attempt_id, sid, status, rank, latency_ms }. What callbacks told before the answer
-- stays. Returns those that were stored, and whether reports came before anybody knew whose message it is. Idempotent.
create function aftercommit.record_accepted(p_calls jsonb) returns table (attempt_id uuid, early boolean)
-- One plan, which looks each row up by its key, as in `record_deliveries`.
language plpgsql volatile set plan_cache_mode = force_generic_plan
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids uuid[] := array(select c.attempt_id from jsonb_to_recordset(p_calls) as c (attempt_id uuid));
begin
  return query
    update aftercommit.notification_attempts a
    set state = 'ACCEPTED', message_sid = c.sid, latency_ms = c.latency_ms, send_until = null,
        error_code = case when a.state = 'ACCEPTED' then a.error_code end, error = case when a.state = 'ACCEPTED' then a.error end,
        provider_status = case when a.status_rank >= c.rank then a.provider_status else c.status end,
        status_rank = greatest(a.status_rank, c.rank),
        resolved_by = case when a.was_ambiguous then coalesce(a.resolved_by, 'late_answer') end,
        accepted_at = coalesce(a.accepted_at, now()), finished_at = coalesce(a.finished_at, now())
    from jsonb_to_recordset(p_calls) as c (attempt_id uuid, sid text, status text, rank int, latency_ms int)
    where a.attempt_id = any (v_ids) and a.attempt_id = c.attempt_id
      and (a.state in ('SENDING', 'AMBIGUOUS') or (a.state = 'ACCEPTED' and a.message_sid = c.sid))
    returning a.attempt_id,
      exists (select 1 from aftercommit.provider_callbacks p where p.message_sid = c.sid and p.attempt_id is null);
end $$;
