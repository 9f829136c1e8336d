-- Removes events that everybody has had and that are older than the archive's retention, with what hangs on them: their
-- deliveries, and the messages that told of them. Never an event with a delivery that is open or a dead letter, with a
-- message without an outcome, or that a replay still has to send. A batch at a time; an event that somebody works on is
-- skipped. Returns how many were removed. It runs with its owner's rights: a worker's role can remove nothing else.
create function aftercommit.purge_events(p_before timestamptz, p_limit int) returns int
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_ids uuid[];
begin
  -- Counts of days that are over, and reports that belong to nobody.
  delete from aftercommit.recipient_days where day < (now() at time zone 'UTC')::date - 1;
  delete from aftercommit.provider_callbacks where attempt_id is null and received_at < p_before;

  select array_agg(id) into v_ids from (
    select o.id from aftercommit.outbox o
    where o.published_at < p_before
      and not exists (select 1 from aftercommit.deliveries d where d.event_id = o.id and d.state <> 'DELIVERED')
      and not exists (select 1 from aftercommit.notifications n join aftercommit.notification_attempts a using (notification_id)
                      where n.event_id = o.id and a.state in ('READY', 'SENDING', 'AMBIGUOUS', 'HELD'))
      and not exists (select 1 from aftercommit.replays r
                      where r.state in ('RUNNING', 'PAUSED') and o.position > r.position and o.position <= r.last_position)
    order by o.published_at limit p_limit
    for update of o skip locked) as old;
  if v_ids is null then return 0; end if;
  delete from aftercommit.notifications where event_id = any (v_ids);
  delete from aftercommit.deliveries where event_id = any (v_ids);
  delete from aftercommit.outbox where id = any (v_ids);
  return cardinality(v_ids);
end $$;
revoke all on function aftercommit.purge_events from public;

-- What may go is found by when it was published; what was not is not in it.
create index outbox_published on aftercommit.outbox (published_at) where published_at is not null;
