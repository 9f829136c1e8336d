-- Removes what is older than its retention, a batch at a time, class by class, oldest first. `aftercommit.purge` runs with
-- its owner's rights, so that a worker's role can remove nothing else; the functions of the classes are for it alone.
--
-- p_after is where the batch before ended ({ at, id }; null at first), so that what must stay is looked at once in a run
-- and not again in each batch. A batch looks at p_limit rows at most. Rows that somebody works on are passed over. Each
-- function locks its rows first and only then looks whether they may go, in a statement of its own: that sees what others
-- committed while it waited, and from then on nothing new can be hung on them.
--
-- Returns how many rows of the class were removed (what hangs on them is not counted), and where to go on: null at the end.
create function aftercommit.purge(p_class text, p_before timestamptz, p_limit int, p_after jsonb)
returns table (removed int, after jsonb)
-- Each batch is planned for its own values: a plan for any limit would scan and sort whole tables.
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
  v_at timestamptz := coalesce((p_after ->> 'at')::timestamptz, '-infinity');
  v_id text        := p_after ->> 'id';
begin
  case p_class
    when 'events' then return query select * from aftercommit.purge_events(p_before, p_limit, v_at, v_id);
    when 'orders' then return query select * from aftercommit.purge_orders(p_before, p_limit, v_at, v_id);
    when 'requests' then return query select * from aftercommit.purge_requests(p_before, p_limit, v_at, v_id);
    when 'participantReports' then return query select * from aftercommit.purge_participant_reports(p_before, p_limit, v_at, v_id);
    when 'workflowStarts' then return query select * from aftercommit.purge_workflow_starts(p_before, p_limit);
    when 'providerCallbacks' then return query select * from aftercommit.purge_provider_callbacks(p_before, p_limit);
    when 'parkedSteps' then return query select * from aftercommit.purge_parked_steps(p_before, p_limit);
    when 'reconciliations' then return query select * from aftercommit.purge_reconciliations(p_before, p_limit);
    when 'replays' then return query select * from aftercommit.purge_replays(p_before, p_limit);
    when 'redrives' then return query select * from aftercommit.purge_redrives(p_before, p_limit);
    when 'recipientDays' then return query select * from aftercommit.purge_recipient_days(p_before, p_limit);
    when 'groups' then return query select * from aftercommit.purge_groups(p_before, p_limit);
    when 'saleCustomers' then return query select * from aftercommit.purge_sale_customers(p_before, p_limit);
  end case;
end $$;
revoke all on function aftercommit.purge from public;

-- Where a batch ended that looked at these rows; null when it was the last.
create function aftercommit.purge_end(p_seen int, p_limit int, p_at timestamptz, p_id text) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_seen >= p_limit then jsonb_build_object('at', p_at, 'id', p_id) end
$$;

-- Events, with their deliveries and the messages that told of them. Never an event with a delivery that is open or a dead
-- letter, with a message without an outcome, or that a replay still has to send: those are found by when they were
-- published, so what was not is not even looked at.
create index outbox_published on aftercommit.outbox (published_at, id) where published_at is not null;
create function aftercommit.purge_events(p_before timestamptz, p_limit int, p_at timestamptz, p_id text)
returns table (removed int, after jsonb)
language plpgsql volatile set search_path = '' as $$
declare
  v_seen uuid[];
  v_at   timestamptz;
  v_ids  uuid[];
begin
  select array_agg(s.id order by s.published_at, s.id), max(s.published_at) into v_seen, v_at
  from (select o.id, o.published_at from aftercommit.outbox o
        where o.published_at < p_before
          and (o.published_at, o.id) > (p_at, coalesce(p_id, '00000000-0000-0000-0000-000000000000')::uuid)
        order by o.published_at, o.id limit p_limit) as s;
  select array_agg(l.id) into v_ids
  from (select o.id from aftercommit.outbox o where o.id = any (v_seen) order by o.id for update skip locked) as l;
  select array_agg(o.id) into v_ids from aftercommit.outbox o
  where o.id = any (v_ids)
    and not exists (select 1 from aftercommit.deliveries d where d.event_id = o.id and d.state <> 'DELIVERED')
    and not exists (select 1 from aftercommit.notifications n join aftercommit.notification_attempts a using (notification_id)
                    where n.event_id = o.id and a.state in ('READY', 'SENDING', 'AMBIGUOUS', 'HELD'))
    and not exists (select 1 from aftercommit.replays r
                    where r.state in ('RUNNING', 'PAUSED') and o.position > r.position and o.position <= r.last_position);
  delete from aftercommit.notifications n where n.event_id = any (v_ids);
  delete from aftercommit.deliveries d where d.event_id = any (v_ids);
  delete from aftercommit.outbox o where o.id = any (v_ids);
  return query select coalesce(cardinality(v_ids), 0),
    aftercommit.purge_end(cardinality(v_seen), p_limit, v_at, v_seen[cardinality(v_seen)]::text);
end $$;

revoke all on function aftercommit.purge_end, aftercommit.purge_events from public;
