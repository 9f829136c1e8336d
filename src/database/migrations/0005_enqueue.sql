-- For callers inside their own transactions, in any language: what is enqueued happens once after that commit, and not at
-- all after a rollback. Both functions run with their owner's rights, so that a caller's role needs nothing but
--   grant usage on schema aftercommit to shop; grant execute on function aftercommit.enqueue to shop;
-- The notification wakes the bridge; rows that nobody was awake for are found by it when it starts, and by reconciliation.

-- Writes an event of a subject and wakes the bridge. Callers come through `enqueue`, which checks what they give.
create function aftercommit.insert_event(type text, detail jsonb, source text, subject text, key text, fingerprint text)
returns uuid
language plpgsql volatile set search_path = '' as $$
#variable_conflict use_column
declare
  v_event_id     uuid;
  v_aggregate_id uuid;
  v_seq          int;
begin
  if $5 is not null then
    -- Before a number is taken: a repeat must leave no gap in it.
    perform pg_advisory_xact_lock(hashtextextended('aftercommit.insert_event ' || $5, 0));
    select o.id into v_event_id from aftercommit.outbox o where o.idempotency_key = $5;
    if found then return v_event_id; end if;
  end if;
  v_event_id := gen_random_uuid();

  if $4 is null then
    -- An event about nothing in particular stands alone: it is in order with no other.
    v_aggregate_id := v_event_id;
    v_seq := 1;
  else
    insert into aftercommit.subjects as s (subject, last_seq) values ($4, 1)
    on conflict (subject) do update set last_seq = s.last_seq + 1
    returning s.subject_id, s.last_seq into v_aggregate_id, v_seq;
  end if;

  insert into aftercommit.outbox (id, aggregate_type, aggregate_id, subject, seq, source, type, payload, idempotency_key,
                                  fingerprint, created_at, workflow_id)
  values (v_event_id, 'subject', v_aggregate_id, $4, v_seq, $3, $1, $2, $5, $6,
          date_trunc('milliseconds', clock_timestamp()), 'deliver/' || v_aggregate_id);
  perform pg_notify('aftercommit_enqueued', 'event ' || v_aggregate_id);
  return v_event_id;
end $$;

-- Publishes an event. Events of one subject are numbered and delivered in order: the subject is locked until the caller's
-- transaction ends. With a key, a repeat returns the id of the first event and writes nothing.
create function aftercommit.enqueue(type text, detail jsonb, source text default 'app', subject text default null,
                                    key text default null)
returns uuid
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
begin
  if $1 is null or $1 !~ '^[\x21-\x7e]{1,128}$' then
    raise exception 'type must be 1 to 128 visible ASCII characters' using errcode = 'invalid_parameter_value';
  end if;
  if $3 is null or $3 !~ '^[\x21-\x7e]{1,255}$' or $3 = 'ecommerce.orders' or $3 ~ '^(aws|aftercommit)(\.|$)' then
    raise exception 'source must be 1 to 255 visible ASCII characters and none of ecommerce.orders, aws.*, aftercommit.*'
      using errcode = 'invalid_parameter_value';
  end if;
  if $4 is not null and $4 !~ '^[\x21-\x7e]{1,128}$' then
    raise exception 'subject must be 1 to 128 visible ASCII characters' using errcode = 'invalid_parameter_value';
  end if;
  if $2 is null or jsonb_typeof($2) <> 'object' or $2 ?| array['seq', 'subject'] then
    raise exception 'detail must be a JSON object without the members seq and subject' using errcode = 'invalid_parameter_value';
  end if;
  if octet_length($2::text) > 262144 then
    raise exception 'detail must not be larger than 256 KB' using errcode = 'invalid_parameter_value';
  end if;

  if $5 is not null and length($5) > 512 then
    raise exception 'key must not be longer than 512 characters' using errcode = 'invalid_parameter_value';
  end if;
  -- Keys of callers inside the database and of callers over HTTP never meet.
  return aftercommit.insert_event($1, $2, $3, $4, E'database\n' || session_user || E'\n' || $5, null);
end $$;

-- Starts a Temporal workflow of the caller's own. The id is the key: enqueued twice, it is started once.
create function aftercommit.enqueue_workflow(workflow_type text, workflow_id text, task_queue text, input jsonb default '{}')
returns void
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
begin
  if $1 is null or $1 !~ '^\S(.*\S)?$' or length($1) > 500 or $2 is null or $2 !~ '^\S(.*\S)?$' or length($2) > 1000
     or $3 is null or $3 !~ '^\S(.*\S)?$' or length($3) > 500 then
    raise exception 'workflow_type, workflow_id and task_queue must be texts of at most 500, 1000 and 500 characters'
      using errcode = 'invalid_parameter_value';
  end if;
  -- What the service runs itself must not be started or disturbed. A test holds these names and the service's together.
  if $2 ~ '^(order|refund|deliver|notify|silence|group|sale|replay|redrive|backlog|test|reconcile)/|^(reconcile|purge)-|^temporal-sys-'
     or $3 in ('orders', 'publish', 'notify', 'maintenance') then
    raise exception 'workflow_id and task_queue must not be of the service''s own' using errcode = 'invalid_parameter_value';
  end if;
  if octet_length(coalesce($4, '{}')::text) > 262144 then
    raise exception 'input must not be larger than 256 KB' using errcode = 'invalid_parameter_value';
  end if;
  insert into aftercommit.workflow_starts (workflow_id, workflow_type, task_queue, input)
  values ($2, $1, $3, coalesce($4, '{}'))
  on conflict do nothing;
  perform pg_notify('aftercommit_enqueued', 'workflow ' || $2);
end $$;

revoke all on function aftercommit.insert_event from public;
revoke all on function aftercommit.enqueue from public;
revoke all on function aftercommit.enqueue_workflow from public;
