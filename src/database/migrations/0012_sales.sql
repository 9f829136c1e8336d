-- Functions of sales that commits call. A sale is a cap on the stock of its product: it moves nothing by itself.

-- By the clock of the database as well as by its state: its workflow may be late to close it.
create function aftercommit.takes_orders(p_sale aftercommit.sales) returns boolean
language sql stable as $$
  select p_sale.state = 'OPEN' and (p_sale.closes_at is null or now() < p_sale.closes_at);
$$;

-- Counts the units of accepted orders in their sales. The one that takes the last unit writes `sale.sold_out`, once in the life
-- of a sale. The caller holds the locks and knows that the units are there.
create function aftercommit.take_of_sales(p_orders jsonb, p_taken uuid[], p_now timestamptz) returns void
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_sale_id text;
begin
  for v_sale_id in
    with taken as (
      select o.sale_id, sum(l.quantity) as units, sum(case when o.take = 'reserved' then l.quantity else 0 end) as reserved
      from jsonb_to_recordset(p_orders) as o (order_id uuid, sale_id text, take text, lines jsonb),
           jsonb_to_recordset(o.lines) as l (quantity int)
      where o.order_id = any (p_taken) and o.sale_id is not null group by o.sale_id)
    update aftercommit.sales s
    set reserved = s.reserved + t.reserved, sold = s.sold + t.units - t.reserved, updated_at = p_now,
        sold_out_at = case when s.reserved + s.sold + t.units = s.quantity then coalesce(s.sold_out_at, p_now) else s.sold_out_at end
    from taken t
    where s.sale_id = t.sale_id
    returning case when s.sold_out_at = p_now then s.sale_id end
  loop
    if v_sale_id is not null then
      perform aftercommit.insert_event('sale.sold_out', jsonb_build_object('saleId', v_sale_id), 'ecommerce.orders',
                                       'sale/' || v_sale_id, E'sale\n' || v_sale_id || E'\nsold_out', null);
    end if;
  end loop;
end $$;

-- Opens and closes a sale when its time has come, by the clock of the database, with the event of each. Idempotent. The lock
-- is the one that every commit of the sale takes: whoever commits after the close sees it.
create function aftercommit.advance_sale(p_sale_id text) returns void
language plpgsql volatile as $$
declare
  v_sale aftercommit.sales;
begin
  select s.* into v_sale from aftercommit.sales s where s.sale_id = p_sale_id for no key update;
  if not found then return; end if;
  if v_sale.state = 'SCHEDULED' and coalesce(v_sale.opens_at <= now(), true) then
    v_sale.state := 'OPEN';
    perform aftercommit.insert_event('sale.opened', jsonb_build_object('saleId', p_sale_id), 'ecommerce.orders',
                                     'sale/' || p_sale_id, E'sale\n' || p_sale_id || E'\nopened', null);
  end if;
  if v_sale.state = 'OPEN' and v_sale.closes_at <= now() then
    v_sale.state := 'CLOSED';
    perform aftercommit.insert_event('sale.closed', jsonb_build_object('saleId', p_sale_id), 'ecommerce.orders',
                                     'sale/' || p_sale_id, E'sale\n' || p_sale_id || E'\nclosed', null);
  end if;
  update aftercommit.sales s set state = v_sale.state, updated_at = now()
  where s.sale_id = p_sale_id and s.state <> v_sale.state;
end $$;

-- Moves the units of an order within its sale, where it is of one: from `reserved` or `sold` to `sold`, or to `available` when
-- they go back. Units that went back are the customer's to buy again, and processes that answer "sold out" from memory are told
-- with the commit. To be called before the stock is locked. Counts what orders hold, so that less being there, which
-- reconciliation finds, keeps no order from its end.
create function aftercommit.move_in_sale(p_order_id uuid, p_from text, p_to text, p_now timestamptz) returns void
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_sale_id     text;
  v_customer_id text;
  v_units       int;
begin
  select o.sale_id, o.customer_id into v_sale_id, v_customer_id
  from aftercommit.orders o where o.order_id = p_order_id and o.sale_id is not null;
  if not found then return; end if;
  select sum(l.quantity) into v_units from aftercommit.order_lines l where l.order_id = p_order_id;

  if p_to = 'available' then
    update aftercommit.sale_customers c set units = greatest(c.units - v_units, 0)
    where c.sale_id = v_sale_id and c.customer_id = v_customer_id;
    perform pg_notify('aftercommit_sales', v_sale_id);
  end if;
  update aftercommit.sales s
  set reserved = greatest(s.reserved - case p_from when 'reserved' then v_units else 0 end, 0),
      sold = greatest(s.sold - case p_from when 'sold' then v_units else 0 end, 0) + case p_to when 'sold' then v_units else 0 end,
      updated_at = p_now
  where s.sale_id = v_sale_id;
end $$;
