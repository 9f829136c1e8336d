-- Commits orders: receipt first, then guarded stock, order, lines, contact, payment intent, event and message, in one
-- transaction and one round trip. The flash lane passes many orders, the standard lane one; rules and sums were made by
-- the caller.
--
-- Each element of p_orders:
--   order_id, caller, customer_id, phone, phone_hash, country, channels[], shipping | null, cart_id | null, workflow_id, status,
--   payment_mode, payment_status, deadline | null, total_minor, currency, take ('sold' | 'reserved'), lines [{ line_number, sku, quantity, unit_price_minor }],
--   event { id, source, type, payload }, notification { notification_id, attempt_id, template } | null,
--   payment { payment_id, method } | null, shipment_id | null: of an order that is confirmed with its commit and ships,
--   answer_status, answer_body
--
-- Returns one row per order: the state and outcome that its receipt holds, and whether this call decided it.
-- Idempotent by order id: a repeat returns what was stored. VOLATILE, so that the select that follows a lost insert takes a
-- new snapshot and sees the row that it waited for.
-- Lock order, everywhere: receipts and orders by id, then inventory by sku, last.
create function aftercommit.place_orders(p_orders jsonb, p_now timestamptz)
returns table (order_id uuid, state text, outcome jsonb, decided_now boolean)
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_order jsonb;
  v_id    uuid;
  v_new   jsonb[] := '{}';
  v_short record;
begin
  for v_order in select o from jsonb_array_elements(p_orders) as o order by o ->> 'order_id' loop
    v_id := (v_order ->> 'order_id')::uuid;
    insert into aftercommit.step_receipts (order_id, step, op, state, answer_status, answer_body, created_at, updated_at)
    values (v_id, 'commit', 'do', 'done', (v_order ->> 'answer_status')::int, v_order ->> 'answer_body', p_now, p_now)
    on conflict do nothing;
    if found then
      v_new := v_new || v_order;
    else
      return query
        select r.order_id, r.state, r.outcome, false
        from aftercommit.step_receipts r
        where r.order_id = v_id and r.step = 'commit' and r.op = 'do';
    end if;
  end loop;

  -- Sorted, so that two commits that share products wait for each other instead of deadlocking.
  perform 1
  from aftercommit.inventory i
  where i.sku in (select l ->> 'sku' from unnest(v_new) as n, jsonb_array_elements(n -> 'lines') as l)
  order by i.sku
  for no key update;

  foreach v_order in array v_new loop
    v_id := (v_order ->> 'order_id')::uuid;

    select l.sku, l.line_number, (i.sku is null) as unknown
    into v_short
    from jsonb_to_recordset(v_order -> 'lines') as l (line_number int, sku text, quantity int)
    left join aftercommit.inventory i on i.sku = l.sku
    where i.sku is null or i.available < l.quantity
    order by (i.sku is null) desc, l.line_number
    limit 1;

    if found then
      update aftercommit.step_receipts r
      set state = 'refused', answer_status = null, answer_body = null,
          outcome = jsonb_build_object('code', case when v_short.unknown then 'unknown_sku' else 'out_of_stock' end,
                                       'line', v_short.line_number)
      where r.order_id = v_id and r.step = 'commit' and r.op = 'do';
    else
      update aftercommit.inventory i
      set available  = i.available - l.quantity,
          reserved   = i.reserved + case when v_order ->> 'take' = 'reserved' then l.quantity else 0 end,
          sold       = i.sold + case when v_order ->> 'take' = 'sold' then l.quantity else 0 end,
          updated_at = p_now
      from jsonb_to_recordset(v_order -> 'lines') as l (sku text, quantity int)
      where i.sku = l.sku;
      perform aftercommit.insert_order(v_order, p_now);
    end if;

    -- What the order needs has its own rows now; a refused request loses its personal part too.
    update aftercommit.order_requests q set body = null where q.order_id = v_id;

    return query
      select r.order_id, r.state, r.outcome, true
      from aftercommit.step_receipts r
      where r.order_id = v_id and r.step = 'commit' and r.op = 'do';
  end loop;
end $$;

-- The rows of one accepted order. Part of place_orders, apart from it only so that each can be read in one look.
create function aftercommit.insert_order(p_order jsonb, p_now timestamptz) returns void
language plpgsql volatile as $$
declare
  v_id           uuid  := (p_order ->> 'order_id')::uuid;
  v_event        jsonb := p_order -> 'event';
  v_notification jsonb := p_order -> 'notification';
  v_payment      jsonb := p_order -> 'payment';
begin
  insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor, currency,
                                  deadline, cart_id, last_seq, workflow_id, created_at, updated_at)
  values (v_id, p_order ->> 'caller', p_order ->> 'customer_id', p_order ->> 'status', p_order ->> 'payment_mode',
          p_order ->> 'payment_status', (p_order ->> 'total_minor')::bigint, p_order ->> 'currency',
          (p_order ->> 'deadline')::timestamptz, p_order ->> 'cart_id', 1, p_order ->> 'workflow_id', p_now, p_now);

  insert into aftercommit.order_lines (order_id, line_number, sku, quantity, unit_price_minor)
  select v_id, l.line_number, l.sku, l.quantity, l.unit_price_minor
  from jsonb_to_recordset(p_order -> 'lines') as l (line_number int, sku text, quantity int, unit_price_minor bigint);

  insert into aftercommit.order_contacts (order_id, customer_id, phone, phone_hash, country, channels, shipping)
  values (v_id, p_order ->> 'customer_id', p_order ->> 'phone', p_order ->> 'phone_hash', p_order ->> 'country',
          array(select jsonb_array_elements_text(p_order -> 'channels')), nullif(p_order -> 'shipping', 'null'));

  insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, workflow_id)
  values ((v_event ->> 'id')::uuid, 'order', v_id, 1, v_event ->> 'source', v_event ->> 'type', v_event -> 'payload', p_now,
          p_order ->> 'workflow_id');

  if jsonb_typeof(v_notification) = 'object' then
    perform aftercommit.tell((v_event ->> 'id')::uuid, v_id, v_notification, p_now);
  end if;

  if jsonb_typeof(v_payment) = 'object' then
    insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, created_at, updated_at)
    values ((v_payment ->> 'payment_id')::uuid, v_id, v_payment ->> 'method', (p_order ->> 'total_minor')::bigint,
            p_order ->> 'currency', p_now, p_now);
  end if;

  if p_order ->> 'status' = 'CONFIRMED' and (p_order ->> 'shipping' is not null or p_order ->> 'cart_id' is not null) then
    perform aftercommit.intend_fulfilment(v_id, (p_order ->> 'shipment_id')::uuid, null, 0, p_now);
  end if;
end $$;

-- What is to be done for an order from the moment on which it is confirmed, in the transaction that confirms it: a shipment
-- when it has an address, points when it earned some, the cart that it came from.
create function aftercommit.intend_fulfilment(p_order_id uuid, p_shipment_id uuid, p_entry_id uuid, p_points int, p_now timestamptz)
returns void
language sql volatile as $$
  insert into aftercommit.shipments (shipment_id, order_id, created_at, updated_at)
  select p_shipment_id, c.order_id, p_now, p_now from aftercommit.order_contacts c
  where c.order_id = p_order_id and c.ships;

  insert into aftercommit.points (entry_id, order_id, customer_id, points, created_at, updated_at)
  select p_entry_id, o.order_id, o.customer_id, p_points, p_now, p_now from aftercommit.orders o
  where o.order_id = p_order_id and p_points > 0;

  insert into aftercommit.carts (order_id, cart_id, created_at, updated_at)
  select o.order_id, o.cart_id, p_now, p_now from aftercommit.orders o
  where o.order_id = p_order_id and o.cart_id is not null;
$$;
