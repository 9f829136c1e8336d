-- Orders, with everything that is theirs: key, receipts and fences go together with what they protect. Only what is over:
-- never one that goes on or is being undone, whose events are still kept, with a step that was begun and has no outcome, a
-- payment, refund, shipment, points entry or cart that is not done, money that was to be given back and was not, or a step
-- that waits for an operator; and never one with a receipt or money that changed since p_before.
create index parked_steps_by_order on aftercommit.parked_steps (order_id);
create function aftercommit.purge_orders(p_before timestamptz, p_limit int, p_at timestamptz, p_id text)
returns table (removed int, after jsonb)
language plpgsql volatile set search_path = '' as $$
declare
  v_seen uuid[];
  v_at   timestamptz;
  v_ids  uuid[];
begin
  -- By when it was placed: that never changes, so it costs an order's updates no index.
  select array_agg(s.order_id order by s.created_at, s.order_id), max(s.created_at) into v_seen, v_at
  from (select o.order_id, o.created_at from aftercommit.orders o
        where o.created_at < p_before
          and (o.created_at, o.order_id) > (p_at, coalesce(p_id, '00000000-0000-0000-0000-000000000000')::uuid)
        order by o.created_at, o.order_id limit p_limit) as s;
  select array_agg(l.order_id) into v_ids
  from (select o.order_id from aftercommit.orders o
        where o.order_id = any (v_seen) and o.updated_at < p_before
          and o.status in ('CONFIRMED', 'COMPLETED', 'CANCELLED', 'EXPIRED', 'FAILED')
        order by o.order_id for update skip locked) as l;
  select array_agg(o.order_id) into v_ids from aftercommit.orders o
  where o.order_id = any (v_ids) and aftercommit.is_order_over(o.order_id, p_before);
  delete from aftercommit.refunds x where x.order_id = any (v_ids);
  delete from aftercommit.payments x where x.order_id = any (v_ids);
  delete from aftercommit.shipments x where x.order_id = any (v_ids);
  delete from aftercommit.points x where x.order_id = any (v_ids);
  delete from aftercommit.carts x where x.order_id = any (v_ids);
  delete from aftercommit.parked_steps x where x.order_id = any (v_ids);
  delete from aftercommit.step_receipts x where x.order_id = any (v_ids);
  delete from aftercommit.order_requests x where x.order_id = any (v_ids);
  delete from aftercommit.orders o where o.order_id = any (v_ids);
  return query select coalesce(cardinality(v_ids), 0),
    aftercommit.purge_end(cardinality(v_seen), p_limit, v_at, v_seen[cardinality(v_seen)]::text);
end $$;

-- Whether nothing of an order in a final state is open or younger than p_before.
create function aftercommit.is_order_over(p_order_id uuid, p_before timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select not exists (select 1 from aftercommit.outbox e where e.aggregate_id = p_order_id)
    and not exists (select 1 from aftercommit.step_receipts r
                    where r.order_id = p_order_id
                      and (r.updated_at >= p_before
                           -- What was taken back is over, whatever came of it before.
                           or (r.state = 'intended' and not exists (
                             select 1 from aftercommit.step_receipts u
                             where u.order_id = r.order_id and u.step = r.step and u.op = 'undo' and u.state = 'done'))))
    and not exists (select 1 from aftercommit.payments p
                    where p.order_id = p_order_id
                      and (p.state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED') or p.updated_at >= p_before
                           or (p.undone_at is not null and p.refunded_minor < p.captured_minor)))
    and not exists (select 1 from aftercommit.refunds f
                    where f.order_id = p_order_id and (f.state in ('PENDING', 'PARKED') or f.updated_at >= p_before))
    and not exists (select 1 from aftercommit.shipments s
                    where s.order_id = p_order_id and (s.state in ('INTENDED', 'BOOKED', 'SHIPPED') or s.updated_at >= p_before))
    and not exists (select 1 from aftercommit.points p
                    where p.order_id = p_order_id and (p.state = 'INTENDED' or p.updated_at >= p_before))
    and not exists (select 1 from aftercommit.carts c
                    where c.order_id = p_order_id and (c.state = 'INTENDED' or c.updated_at >= p_before))
    and not exists (select 1 from aftercommit.parked_steps k where k.order_id = p_order_id and k.state = 'OPEN')
$$;

-- Requests that came to nothing, refused or closed, with their receipts: from then on their keys are new keys. Undecided
-- ones have no receipt and stay.
create index step_receipts_not_committed on aftercommit.step_receipts (updated_at, order_id)
  where step = 'commit' and op = 'do' and state in ('refused', 'fenced');
create function aftercommit.purge_requests(p_before timestamptz, p_limit int, p_at timestamptz, p_id text)
returns table (removed int, after jsonb)
language plpgsql volatile set search_path = '' as $$
declare
  v_seen uuid[];
  v_at   timestamptz;
  v_ids  uuid[];
begin
  select array_agg(s.order_id order by s.updated_at, s.order_id), max(s.updated_at) into v_seen, v_at
  from (select r.order_id, r.updated_at from aftercommit.step_receipts r
        where r.step = 'commit' and r.op = 'do' and r.state in ('refused', 'fenced') and r.updated_at < p_before
          and (r.updated_at, r.order_id) > (p_at, coalesce(p_id, '00000000-0000-0000-0000-000000000000')::uuid)
        order by r.updated_at, r.order_id limit p_limit) as s;
  select array_agg(l.order_id) into v_ids
  from (select r.order_id from aftercommit.step_receipts r
        where r.order_id = any (v_seen) and r.step = 'commit' and r.op = 'do'
        order by r.order_id for update skip locked) as l;
  select array_agg(l.id) into v_ids from unnest(v_ids) as l (id)
  where not exists (select 1 from aftercommit.order_requests q
                    where q.order_id = l.id and (q.body is not null or q.created_at >= p_before))
    and not exists (select 1 from aftercommit.step_receipts r where r.order_id = l.id and r.updated_at >= p_before)
    and not exists (select 1 from aftercommit.parked_steps k where k.order_id = l.id and k.state = 'OPEN');
  delete from aftercommit.step_receipts x where x.order_id = any (v_ids);
  delete from aftercommit.order_requests x where x.order_id = any (v_ids);
  return query select coalesce(cardinality(v_ids), 0),
    aftercommit.purge_end(cardinality(v_seen), p_limit, v_at, v_seen[cardinality(v_seen)]::text);
end $$;

revoke all on function aftercommit.purge_orders, aftercommit.is_order_over, aftercommit.purge_requests from public;
