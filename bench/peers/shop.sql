-- The tables and functions of every peer: one order row, guarded stock and an outbox row, in one durable commit.

create table stock (
  sku       text primary key,
  available int not null check (available >= 0)
) with (fillfactor = 50);

create table orders (
  order_id         uuid primary key,
  customer_id      text not null,
  phone            text not null,
  sku              text not null,
  quantity         int not null check (quantity > 0),
  unit_price_minor bigint not null,
  currency         text not null,
  created_at       timestamptz not null default now()
);

create table outbox (
  id         bigint generated always as identity primary key,
  order_id   uuid not null unique references orders,
  payload    jsonb not null,
  -- Set together, when the event is published and the message is accepted.
  sent_at    timestamptz,
  message_sid text
) with (fillfactor = 70);
create index outbox_unsent on outbox (id) where sent_at is null;

-- One order. The stock last, so that its row is locked for as short as can be. An id that exists is answered as before
-- and takes nothing.
create function place_order(p_order jsonb) returns text language plpgsql as $$
begin
  insert into orders (order_id, customer_id, phone, sku, quantity, unit_price_minor, currency)
  values ((p_order->>'orderId')::uuid, p_order->>'customerId', p_order->>'phone', p_order->>'sku',
          (p_order->>'quantity')::int, (p_order->>'unitPriceMinor')::bigint, p_order->>'currency')
  on conflict do nothing;
  if not found then
    return 'placed';
  end if;
  insert into outbox (order_id, payload)
  values ((p_order->>'orderId')::uuid, p_order - 'phone');
  update stock set available = available - (p_order->>'quantity')::int
  where sku = p_order->>'sku' and available >= (p_order->>'quantity')::int;
  if not found then
    raise exception 'out of stock' using errcode = 'OS001';
  end if;
  return 'placed';
end $$;

-- A group of orders in one statement: those with new ids take stock in the order in which they came, one update for each
-- SKU; the others get their first outcome again. SKUs are locked in their order, so that two groups never wait for each
-- other in a circle. Returns the ids that are placed.
create function place_orders(p_orders jsonb) returns setof uuid language sql volatile as $$
  with asked as (
    select n, body, (body->>'orderId')::uuid as order_id, body->>'sku' as sku, (body->>'quantity')::int as quantity
    from jsonb_array_elements(p_orders) with ordinality as one (body, n)),
  known as materialized (
    select order_id from orders where order_id in (select order_id from asked)),
  locked as materialized (
    select sku, available from stock where sku in (select sku from asked) order by sku for no key update),
  decided as materialized (
    select asked.*, sum(quantity) over (partition by sku order by n) <= available as accepted
    from asked join locked using (sku)
    where order_id not in (select order_id from known)),
  placed as (
    insert into orders (order_id, customer_id, phone, sku, quantity, unit_price_minor, currency)
    select order_id, body->>'customerId', body->>'phone', sku, quantity, (body->>'unitPriceMinor')::bigint,
           body->>'currency'
    from decided where accepted),
  written as (
    insert into outbox (order_id, payload)
    select order_id, body - 'phone' from decided where accepted order by n),
  taken as (
    update stock set available = available - sums.quantity
    from (select sku, sum(quantity) as quantity from decided where accepted group by sku) as sums
    where stock.sku = sums.sku)
  select order_id from decided where accepted
  union all
  select order_id from known;
$$;
