-- Undoes the commits of unpaid orders, in one round trip: receipt, status, counter-event, message, stock and the units of
-- their sales. The caller holds the orders' rows, in their order, and has seen that no payment was asked for.
--
-- Each element of p_orders: order_id, seq, workflow_id, event { id, source, type, payload },
--   notification { notification_id, attempt_id, template } | null
-- p_ending: { event, status, code }
create function aftercommit.release_orders(p_orders jsonb, p_ending jsonb, p_now timestamptz) returns void
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_ids uuid[] := array(select o.order_id from jsonb_to_recordset(p_orders) as o (order_id uuid));
begin
  insert into aftercommit.step_receipts (order_id, step, op, state, outcome, created_at, updated_at)
  select n, 'commit', 'undo', 'done', p_ending, p_now, p_now from unnest(v_ids) as n;

  update aftercommit.orders o
  set status = p_ending ->> 'status', payment_status = 'FAILED', ending = p_ending, last_seq = last_seq + 1, updated_at = p_now
  where o.order_id = any (v_ids);

  insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, workflow_id)
  select (o.event ->> 'id')::uuid, 'order', o.order_id, o.seq, o.event ->> 'source', o.event ->> 'type', o.event -> 'payload', p_now,
         o.workflow_id
  from jsonb_to_recordset(p_orders) as o (order_id uuid, seq int, workflow_id text, event jsonb);

  perform aftercommit.tell((o.event ->> 'id')::uuid, o.order_id, o.notification, p_now)
  from jsonb_to_recordset(p_orders) as o (order_id uuid, event jsonb, notification jsonb)
  where jsonb_typeof(o.notification) = 'object';

  perform aftercommit.release_of_sales(v_ids, p_now);

  -- As much as is there: what goes back is never held up by what somebody else has taken; reconciliation finds the rest.
  perform 1 from aftercommit.inventory i
  where i.sku in (select l.sku from aftercommit.order_lines l where l.order_id = any (v_ids))
  order by i.sku for no key update;
  update aftercommit.inventory i
  set reserved = i.reserved - least(i.reserved, w.units), available = i.available + least(i.reserved, w.units), updated_at = p_now
  from (select l.sku, sum(l.quantity) as units from aftercommit.order_lines l where l.order_id = any (v_ids) group by l.sku) w
  where i.sku = w.sku;
end $$;

-- Gives the units of unpaid orders back to their sales and customers, and says so to the processes that answer "sold out" from
-- memory. Customers first, then sales, each sorted, as commits do.
create function aftercommit.release_of_sales(p_order_ids uuid[], p_now timestamptz) returns void
language plpgsql volatile as $$
#variable_conflict use_column
begin
  if not exists (select 1 from aftercommit.orders o where o.order_id = any (p_order_ids) and o.sale_id is not null) then
    return;
  end if;
  perform 1 from aftercommit.sale_customers c
  where (c.sale_id, c.customer_id) in (select o.sale_id, o.customer_id from aftercommit.orders o where o.order_id = any (p_order_ids))
  order by c.sale_id, c.customer_id for no key update;
  update aftercommit.sale_customers c
  set units = greatest(0, c.units - w.units)
  from (select o.sale_id, o.customer_id, sum(l.quantity) as units
        from aftercommit.orders o join aftercommit.order_lines l on l.order_id = o.order_id
        where o.order_id = any (p_order_ids) and o.sale_id is not null group by 1, 2) w
  where c.sale_id = w.sale_id and c.customer_id = w.customer_id;

  perform 1 from aftercommit.sales s
  where s.sale_id in (select o.sale_id from aftercommit.orders o where o.order_id = any (p_order_ids))
  order by s.sale_id for no key update;
  update aftercommit.sales s
  set reserved = s.reserved - least(s.reserved, w.units), updated_at = p_now
  from (select o.sale_id, sum(l.quantity) as units
        from aftercommit.orders o join aftercommit.order_lines l on l.order_id = o.order_id
        where o.order_id = any (p_order_ids) and o.sale_id is not null group by 1) w
  where s.sale_id = w.sale_id;
  perform pg_notify('aftercommit_sales', s.sale_id)
  from (select distinct o.sale_id from aftercommit.orders o where o.order_id = any (p_order_ids) and o.sale_id is not null) s;
end $$;
