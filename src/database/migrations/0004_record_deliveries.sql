-- Stores what came of attempts, in one round trip, and closes each event whose last delivery this was. A late result of
-- an earlier sender counts when it delivered, and changes nothing otherwise. Idempotent.
--
-- Each element of p_results:
--   delivery_id, event_id | null: of a replay, n, claimed_by, started_at, result ('delivered' | 'retry' | 'dead'), http_status, latency_ms, error_code, error,
--   retry_in_ms, asked_to_wait
--
-- VOLATILE: each statement takes a new snapshot, so that two last deliveries that end at once do not each miss the other.
create function aftercommit.record_deliveries(p_results jsonb) returns void
-- One plan, made once, which looks each row up by its key however large the tables are: a plan made while they were small
-- read them from one end to the other for every call.
language plpgsql volatile set plan_cache_mode = force_generic_plan
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
  v_delivered uuid[];
  -- Named beside each join, so that rows are looked up by it and never joined from the table's side.
  v_ids       uuid[] := array(select r.delivery_id from jsonb_to_recordset(p_results) as r (delivery_id uuid));
begin
  -- The row of an attempt that was claimed with its order's commit is written here.
  insert into aftercommit.delivery_attempts as a (delivery_id, n, started_at, latency_ms, http_status, result, error_code, error)
  select r.delivery_id, r.n, r.started_at, r.latency_ms, r.http_status, r.result, r.error_code, r.error
  from jsonb_to_recordset(p_results) as r (delivery_id uuid, n int, started_at timestamptz, result text, http_status int,
                                           latency_ms int, error_code text, error text)
  on conflict (delivery_id, n) do update
    set latency_ms = excluded.latency_ms, http_status = excluded.http_status, result = excluded.result,
        error_code = excluded.error_code, error = excluded.error;

  update aftercommit.deliveries d
  set state = case r.result when 'delivered' then 'DELIVERED' when 'dead' then 'DEAD' else 'READY' end,
      error_code = r.error_code,
      next_attempt_at = case when r.retry_in_ms is null then d.next_attempt_at
                             else now() + r.retry_in_ms * interval '1 millisecond' end,
      asked_to_wait = coalesce(r.asked_to_wait, false),
      send_until = null,
      finished_at = case when r.result = 'retry' then null else now() end
  from jsonb_to_recordset(p_results) as r (delivery_id uuid, claimed_by text, result text, error_code text, retry_in_ms float, asked_to_wait boolean)
  where d.delivery_id = any (v_ids) and d.delivery_id = r.delivery_id and d.state <> 'DELIVERED'
    and (r.result = 'delivered' or (d.state = 'SENDING' and d.claimed_by = r.claimed_by));

  select array_agg(distinct (r ->> 'event_id')::uuid) into v_delivered
  from jsonb_array_elements(p_results) as r where r ->> 'result' = 'delivered' and r ->> 'event_id' is not null;
  if v_delivered is null then return; end if;

  -- Last deliveries that end at once take turns on the event's row.
  perform 1 from aftercommit.outbox o where o.id = any (v_delivered) order by o.id for no key update;
  update aftercommit.outbox o set published_at = now()
  where o.id = any (v_delivered) and o.published_at is null and o.routed_at is not null
    -- Counted for each event by itself: as "not exists" it was planned as a join that read all deliveries for each.
    and (select count(*) from aftercommit.deliveries d
         where d.event_id = o.id and d.replay_id is null and d.state <> 'DELIVERED') = 0;
end $$;
