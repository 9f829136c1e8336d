-- What operators and participants leave behind. Called by `aftercommit.purge`, which says what the arguments are.

-- What these classes have in common: every row that is found goes, so nothing has to be remembered from batch to batch.
-- p_which is a condition on x, in which $1 is p_before, and how to order by it. Executed as text, so that each batch is
-- planned for its own values.
create function aftercommit.purge_rows(p_table text, p_which text, p_before timestamptz, p_limit int)
returns table (removed int, after jsonb)
language plpgsql volatile set search_path = '' as $$
declare
  v_removed int;
begin
  execute format('delete from aftercommit.%1$I where ctid = any (array(
                    select x.ctid from aftercommit.%1$I x where %2$s limit $2 for update skip locked))', p_table, p_which)
  using p_before, p_limit;
  get diagnostics v_removed = row_count;
  return query select v_removed, case when v_removed >= p_limit then '{}'::jsonb end;
end $$;

-- Workflows that were started. Their ids were their keys: enqueued again after this, they are started again.
create index workflow_starts_done on aftercommit.workflow_starts (started_at) where started_at is not null;
create function aftercommit.purge_workflow_starts(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('workflow_starts', 'x.started_at < $1 order by x.started_at', p_before, p_limit)
$$;

-- Reports on messages that nobody knows. Those on known messages go with their event.
create function aftercommit.purge_provider_callbacks(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('provider_callbacks',
    'x.attempt_id is null and x.received_at < $1 order by x.received_at', p_before, p_limit)
$$;

-- Steps that an operator decided and that went on. The audit keeps who decided what.
create index parked_steps_resolved on aftercommit.parked_steps (resolved_at) where state = 'RESOLVED';
create function aftercommit.purge_parked_steps(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('parked_steps',
    $which$ x.state = 'RESOLVED' and x.resolved_at < $1 order by x.resolved_at $which$, p_before, p_limit)
$$;

-- Reconciliations that are over, with what they found. The parked steps that they left stay as long as they are open.
create function aftercommit.purge_reconciliations(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('reconciliations',
    $which$ x.state in ('COMPLETED', 'REFUSED', 'FAILED') and x.created_at < $1 order by x.created_at $which$, p_before, p_limit)
$$;

-- Replays that are over, unless a delivery of theirs is open or a dead letter. People make them one by one: the table is
-- small.
create function aftercommit.purge_replays(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('replays',
    $which$ x.state in ('CANCELLED', 'COMPLETED') and x.updated_at < $1
      and not exists (select 1 from aftercommit.deliveries d
                      where d.replay_id = x.replay_id and d.state in ('READY', 'SENDING', 'DEAD')) $which$, p_before, p_limit)
$$;

-- Redrives that are over, in the same way.
create function aftercommit.purge_redrives(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('redrives',
    $which$ x.state = 'COMPLETED' and x.updated_at < $1
      and not exists (select 1 from aftercommit.deliveries d
                      where d.redrive_id = x.redrive_id and d.state in ('READY', 'SENDING', 'DEAD')) $which$, p_before, p_limit)
$$;

-- Counts of days that are over.
create function aftercommit.purge_recipient_days(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('recipient_days',
    $which$ x.day < ($1 at time zone 'UTC')::date order by x.day $which$, p_before, p_limit)
$$;

-- Groups of the flash lane of which nothing is left to do. One for each second and process that takes orders.
create index groups_ended on aftercommit.groups (ended_at) where state = 'ENDED';
create function aftercommit.purge_groups(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('groups',
    $which$ x.state = 'ENDED' and x.ended_at < $1 order by x.ended_at $which$, p_before, p_limit)
$$;

-- What each customer had of a sale that is over. The sale itself stays: it is small, and part of the books.
create function aftercommit.purge_sale_customers(p_before timestamptz, p_limit int) returns table (removed int, after jsonb)
language sql volatile set search_path = '' as $$
  select * from aftercommit.purge_rows('sale_customers',
    -- Few sales have rows left: an array of them, so that only those rows are looked at.
    $which$ x.sale_id = any (array(select s.sale_id from aftercommit.sales s
                                   where s.state = 'CLOSED' and s.updated_at < $1
                                     and exists (select 1 from aftercommit.sale_customers c where c.sale_id = s.sale_id)))
            order by x.sale_id, x.customer_id $which$,
    p_before, p_limit)
$$;

-- What participants told on their own, unless an operator still has to say what it is about.
create function aftercommit.purge_participant_reports(p_before timestamptz, p_limit int, p_at timestamptz, p_id text)
returns table (removed int, after jsonb)
language plpgsql volatile set search_path = '' as $$
declare
  v_seen    tid[];
  v_at      timestamptz;
  v_id      text;
  v_removed int;
begin
  -- Several may have come at the same moment: participant and id tell them apart.
  select array_agg(s.ctid), max(s.received_at), (array_agg(s.id order by s.received_at desc, s.id desc))[1]
  into v_seen, v_at, v_id
  from (select x.ctid, x.received_at, x.participant || ' ' || x.report_id as id from aftercommit.participant_reports x
        where x.received_at >= p_at and x.received_at < p_before
          and (x.received_at > p_at or x.participant || ' ' || x.report_id > coalesce(p_id, ''))
        order by x.received_at, id limit p_limit) as s;
  delete from aftercommit.participant_reports where ctid = any (array(
    select x.ctid from aftercommit.participant_reports x
    where x.ctid = any (v_seen)
      and not exists (select 1 from aftercommit.parked_steps k where k.state = 'OPEN' and k.step = 'report:' || x.report_id)
    for update skip locked));
  get diagnostics v_removed = row_count;
  return query select v_removed, aftercommit.purge_end(cardinality(v_seen), p_limit, v_at, v_id);
end $$;

revoke all on function aftercommit.purge_rows, aftercommit.purge_participant_reports, aftercommit.purge_workflow_starts,
  aftercommit.purge_provider_callbacks, aftercommit.purge_parked_steps, aftercommit.purge_reconciliations,
  aftercommit.purge_replays, aftercommit.purge_redrives, aftercommit.purge_recipient_days, aftercommit.purge_groups,
  aftercommit.purge_sale_customers from public;
