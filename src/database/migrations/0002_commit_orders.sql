-- Commits orders: receipt first, then stock, order, lines, contact, payment intent, event, deliveries and message, in one
-- transaction and one round trip. The standard lane passes one order, the flash lane a group; rules and sums were made by
-- the caller. Every order of a group has an outcome of its own: one that is refused changes nothing for the others.
--
-- p_group_id: the group of the flash lane that the orders belong to, which must be open; null in the standard lane.
-- Each element of p_orders:
--   order_id, caller, fingerprint | null (the flash lane has no request row before its commit), customer_id, phone, phone_hash,
--   country, channels[], shipping | null, cart_id | null, workflow_id, sale_id | null, status, payment_mode, payment_status,
--   deadline | null, total_minor, currency, take ('sold' | 'reserved'), lines [{ line_number, sku, quantity, unit_price_minor }],
--   event { id, source, type, payload }, deliveries [{ id, route }] | null: frozen with the commit, null: routed later,
--   notification { notification_id, attempt_id, template } | null, payment { payment_id, method } | null,
--   shipment_id | null: of an order that is confirmed with its commit and ships, answer_status, answer_body
-- p_routes: [{ rule_name, target_name, transformer | null }], named by their index.
-- p_rules_version: by which the caller routed the deliveries; null when it did not.
-- p_sender: who makes the first deliveries at once, and so has them written as claimed, instead of claiming them after it; null:
--   nobody. { claimed_by, deliveries_for_ms, except_targets[], messages { for_ms, silence_ms {}, configured[], is_counted } | null }
--
-- Returns one row per order: what its receipt holds, and whether this call decided it. A repeat has its stored fingerprint and
-- answer with it; a null state says that the key belongs to a request with another fingerprint, which is not decided. Of what was
-- claimed: which of the routes, by their index, and what the sender of the message needs to know.
-- Idempotent by order id. VOLATILE: each statement takes a new snapshot, so that the select that follows a lost insert sees
-- the row that it waited for.
-- Lock order, everywhere: group, then receipts and orders by id, then a sale's customers, sales, and inventory by sku, last.
create function aftercommit.commit_orders(p_group_id uuid, p_orders jsonb, p_routes jsonb, p_rules_version bigint, p_sender jsonb,
                                         p_now timestamptz)
returns table (order_id uuid, state text, outcome jsonb, decided_now boolean, fingerprint text, created_at timestamptz,
               answer_status int, answer_body text, claimed_routes int[], message jsonb)
-- Every statement here looks rows up by their keys, whatever the orders are: one plan, made once. Planning it anew would cost
-- more than running it, and a plan made while the tables were small would read them from one end to the other.
language plpgsql volatile set plan_cache_mode = force_generic_plan
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_new      uuid[];
  v_refused  jsonb;
  v_taken    uuid[];
  v_routes   int[] := '{}';
  v_messages jsonb := '{}';
begin
  if p_group_id is not null then
    perform 1 from aftercommit.groups g where g.group_id = p_group_id and g.state = 'OPEN' for share;
    if not found then
      raise exception 'the group takes no orders' using errcode = 'AC001';
    end if;
  end if;
  if p_rules_version <> (select i.rules_version from aftercommit.installation i) then
    raise exception 'the rules have changed' using errcode = 'AC002';
  end if;

  v_new := aftercommit.claim_commits(p_orders, p_now);
  if cardinality(v_new) < jsonb_array_length(p_orders) then
    return query
      select q.order_id, r.state::text, coalesce(r.outcome, '{}'), false, q.fingerprint, q.created_at, r.answer_status, r.answer_body,
             '{}'::int[], null::jsonb
      from aftercommit.order_requests q
      left join aftercommit.step_receipts r on r.order_id = q.order_id and r.step = 'commit' and r.op = 'do'
      where q.order_id in (select o.order_id from jsonb_to_recordset(p_orders) as o (order_id uuid))
        and q.order_id <> all (v_new);
    if v_new = '{}' then return; end if;
  end if;

  v_refused := aftercommit.refusals(p_orders, v_new);
  v_taken := array(select n from unnest(v_new) as n where not v_refused ? n::text);
  if v_refused <> '{}' then perform aftercommit.refuse_commits(p_orders, v_refused); end if;
  if v_taken <> '{}' then
    v_routes := aftercommit.claimed_routes(p_routes, p_sender);
    v_messages := aftercommit.insert_orders(p_group_id, p_orders, p_routes, v_taken, p_sender, v_routes, p_now);
    perform aftercommit.take_stock(p_orders, v_taken, p_now);
  end if;

  return query
    select n, case when v_refused ? n::text then 'refused' else 'done' end, coalesce(v_refused -> n::text, '{}'), true,
           null::text, p_now, null::int, null::text, v_routes, v_messages -> n::text
    from unnest(v_new) as n;
end $$;

-- Writes the receipts, and the request rows of orders that have none yet; a request is decided, so it keeps no body. Returns
-- the orders that are to be decided by this call.
create function aftercommit.claim_commits(p_orders jsonb, p_now timestamptz) returns uuid[]
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_new uuid[];
begin
  insert into aftercommit.order_requests (order_id, caller, fingerprint, created_at)
  select o.order_id, o.caller, o.fingerprint, p_now
  from jsonb_to_recordset(p_orders) as o (order_id uuid, caller text, fingerprint text)
  where o.fingerprint is not null
  order by o.order_id
  on conflict do nothing;

  with claimed as (
    insert into aftercommit.step_receipts (order_id, step, op, state, answer_status, answer_body, created_at, updated_at)
    select o.order_id, 'commit', 'do', 'done', o.answer_status, o.answer_body, p_now, p_now
    from jsonb_to_recordset(p_orders) as o (order_id uuid, fingerprint text, answer_status int, answer_body text)
    -- Joined: as "exists" beside an "or" it was planned as a hash of all requests that there are.
    left join aftercommit.order_requests q on q.order_id = o.order_id
    where o.fingerprint is null or q.fingerprint = o.fingerprint
    order by o.order_id
    on conflict do nothing
    returning order_id)
  select coalesce(array_agg(order_id), '{}') into v_new from claimed;

  -- What the order needs has its own rows from now on; a refused request loses its personal part too.
  update aftercommit.order_requests q set body = null where q.order_id = any (v_new) and q.body is not null;
  return v_new;
end $$;

-- Which of the orders cannot be had, and why: { order_id: { code, line } }. Takes the locks on a sale's customers, sales and
-- inventory, each sorted, so that two commits wait for each other instead of deadlocking. The customers' units are counted
-- here, the stock is not taken yet.
create function aftercommit.refusals(p_orders jsonb, p_new uuid[]) returns jsonb
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_sells boolean;
begin
  select exists (select 1 from jsonb_to_recordset(p_orders) as o (order_id uuid, sale_id text)
                 where o.sale_id is not null and o.order_id = any (p_new)) into v_sells;
  if v_sells then
    insert into aftercommit.sale_customers as c (sale_id, customer_id, units)
    select o.sale_id, o.customer_id, sum((l ->> 'quantity')::int)
    from jsonb_to_recordset(p_orders) as o (order_id uuid, sale_id text, customer_id text, lines jsonb),
         jsonb_array_elements(o.lines) as l
    where o.sale_id is not null and o.order_id = any (p_new)
      and exists (select 1 from aftercommit.sales s where s.sale_id = o.sale_id)
    group by 1, 2 order by 1, 2
    on conflict (sale_id, customer_id) do update set units = c.units + excluded.units;

    perform 1 from aftercommit.sales s
    where s.sale_id in (select o.sale_id from jsonb_to_recordset(p_orders) as o (sale_id text))
    order by s.sale_id for no key update;
  end if;
  perform 1 from aftercommit.inventory i
  where i.sku in (select l ->> 'sku' from jsonb_to_recordset(p_orders) as o (order_id uuid, lines jsonb),
                  jsonb_array_elements(o.lines) as l where o.order_id = any (p_new))
  order by i.sku for no key update;

  -- Nearly always everything is there, and then one look per product is all. Else each order is looked at by itself.
  if aftercommit.all_fit(p_orders, p_new, v_sells) then return '{}'; end if;
  return aftercommit.choose_orders(p_orders, p_new);
end $$;

-- Whether all of the orders can be had together. The caller holds the locks.
create function aftercommit.all_fit(p_orders jsonb, p_new uuid[], p_sells boolean) returns boolean
language plpgsql volatile as $$
#variable_conflict use_column
begin
  if exists (
    select 1
    from (select l.sku, sum(l.quantity) as wanted
          from jsonb_to_recordset(p_orders) as o (order_id uuid, lines jsonb),
               jsonb_to_recordset(o.lines) as l (sku text, quantity int)
          where o.order_id = any (p_new) group by l.sku) w
    left join aftercommit.inventory i on i.sku = w.sku
    where i.sku is null or i.available < w.wanted)
  then return false; end if;
  if not p_sells then return true; end if;
  return not exists (
    select 1
    from (select o.sale_id, sum(l.quantity) as wanted, array_agg(distinct o.customer_id) as customers
          from jsonb_to_recordset(p_orders) as o (order_id uuid, sale_id text, customer_id text, lines jsonb),
               jsonb_to_recordset(o.lines) as l (quantity int)
          where o.order_id = any (p_new) and o.sale_id is not null group by o.sale_id) w
    left join aftercommit.sales s on s.sale_id = w.sale_id
    where s.sale_id is null or not aftercommit.takes_orders(s) or s.reserved + s.sold + w.wanted > s.quantity
       or (s.per_customer is not null
           and exists (select 1 from aftercommit.sale_customers c
                       where c.sale_id = w.sale_id and c.customer_id = any (w.customers) and c.units > s.per_customer)));
end $$;

-- One order after the other, as they came, each against what those before it left.
create function aftercommit.choose_orders(p_orders jsonb, p_new uuid[]) returns jsonb
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_order     record;
  v_short     record;
  v_sale      aftercommit.sales;
  v_refused   jsonb := '{}';
  v_code      text;
  -- What the orders that were chosen so far take: by sku, by sale, and what each customer of a sale has left.
  v_stock     jsonb := '{}';
  v_sold      jsonb := '{}';
  v_allowance jsonb := '{}';
  v_customer  text;
begin
  select coalesce(jsonb_object_agg(format('%s %s', c.sale_id, c.customer_id), s.per_customer - c.units + w.wanted), '{}')
  into v_allowance
  from (select o.sale_id, o.customer_id, sum((l ->> 'quantity')::int) as wanted
        from jsonb_to_recordset(p_orders) as o (order_id uuid, sale_id text, customer_id text, lines jsonb),
             jsonb_array_elements(o.lines) as l
        where o.order_id = any (p_new) and o.sale_id is not null group by 1, 2) w
  join aftercommit.sale_customers c on c.sale_id = w.sale_id and c.customer_id = w.customer_id
  join aftercommit.sales s on s.sale_id = w.sale_id and s.per_customer is not null;

  for v_order in
    select o.order_id, o.sale_id, o.customer_id, o.lines, (select sum((l ->> 'quantity')::int) from jsonb_array_elements(o.lines) as l) as units
    from rows from (jsonb_to_recordset(p_orders) as (order_id uuid, sale_id text, customer_id text, lines jsonb))
         with ordinality as o (order_id, sale_id, customer_id, lines, position)
    where o.order_id = any (p_new) order by o.position
  loop
    v_code := null;
    v_customer := format('%s %s', v_order.sale_id, v_order.customer_id);
    if v_order.sale_id is not null then
      select s.* into v_sale from aftercommit.sales s where s.sale_id = v_order.sale_id;
      v_code := case
        when not found then 'unknown_sale'
        when v_sale.state = 'SCHEDULED' then 'sale_not_open'
        when not aftercommit.takes_orders(v_sale) then 'sale_closed'
        when (v_allowance ->> v_customer)::int < v_order.units then 'customer_limit'
        when v_sale.reserved + v_sale.sold + coalesce((v_sold ->> v_order.sale_id)::int, 0) + v_order.units > v_sale.quantity
          then 'sold_out'
      end;
    end if;
    select l.sku, l.line_number, (i.sku is null) as unknown into v_short
    from jsonb_to_recordset(v_order.lines) as l (line_number int, sku text, quantity int)
    left join aftercommit.inventory i on i.sku = l.sku
    where i.sku is null or i.available - coalesce((v_stock ->> l.sku)::int, 0) < l.quantity
    order by (i.sku is null) desc, l.line_number
    limit 1;
    if found and v_code is null then
      v_code := case when v_short.unknown then 'unknown_sku' when v_order.sale_id is not null then 'sold_out' else 'out_of_stock' end;
    end if;

    if v_code is not null then
      v_refused := v_refused || jsonb_build_object(v_order.order_id,
        jsonb_build_object('code', v_code, 'line', coalesce(v_short.line_number, 0)));
      continue;
    end if;
    select v_stock || jsonb_object_agg(l.sku, coalesce((v_stock ->> l.sku)::int, 0) + l.quantity) into v_stock
    from jsonb_to_recordset(v_order.lines) as l (sku text, quantity int);
    if v_order.sale_id is not null then
      v_sold := v_sold || jsonb_build_object(v_order.sale_id, coalesce((v_sold ->> v_order.sale_id)::int, 0) + v_order.units);
      if v_allowance ? v_customer then
        v_allowance := v_allowance || jsonb_build_object(v_customer, (v_allowance ->> v_customer)::int - v_order.units);
      end if;
    end if;
  end loop;
  return v_refused;
end $$;

-- Stores why orders were refused, and gives the units that were counted for their customers back.
create function aftercommit.refuse_commits(p_orders jsonb, p_refused jsonb) returns void
language plpgsql volatile as $$
#variable_conflict use_column
begin
  update aftercommit.step_receipts r
  set state = 'refused', answer_status = null, answer_body = null, outcome = x.value
  from jsonb_each(p_refused) as x
  where r.order_id = x.key::uuid and r.step = 'commit' and r.op = 'do';

  update aftercommit.sale_customers c
  set units = c.units - w.units
  from (select o.sale_id, o.customer_id, sum((l ->> 'quantity')::int) as units
        from jsonb_to_recordset(p_orders) as o (order_id text, sale_id text, customer_id text, lines jsonb),
             jsonb_array_elements(o.lines) as l
        where o.sale_id is not null and p_refused ? o.order_id group by 1, 2) w
  where c.sale_id = w.sale_id and c.customer_id = w.customer_id;
end $$;

-- Takes the stock of accepted orders, each product once. The caller holds the locks and knows that it is there.
create function aftercommit.take_stock(p_orders jsonb, p_taken uuid[], p_now timestamptz) returns void
language plpgsql volatile as $$
#variable_conflict use_column
begin
  if exists (select 1 from jsonb_to_recordset(p_orders) as o (order_id uuid, sale_id text)
             where o.sale_id is not null and o.order_id = any (p_taken)) then
    perform aftercommit.take_of_sales(p_orders, p_taken, p_now);
  end if;
  update aftercommit.inventory i
  set available = i.available - w.units, reserved = i.reserved + w.reserved, sold = i.sold + w.units - w.reserved, updated_at = p_now
  from (select l.sku, sum(l.quantity) as units, sum(case when o.take = 'reserved' then l.quantity else 0 end) as reserved
        from jsonb_to_recordset(p_orders) as o (order_id uuid, take text, lines jsonb),
             jsonb_to_recordset(o.lines) as l (sku text, quantity int)
        where o.order_id = any (p_taken) group by l.sku) w
  where i.sku = w.sku;
end $$;

-- The routes, by their index, whose deliveries the sender makes at once: none whose rule or target is to wait.
create function aftercommit.claimed_routes(p_routes jsonb, p_sender jsonb) returns int[]
language plpgsql volatile as $$
begin
  if p_sender is null then return '{}'; end if;
  return array(
    select (r.position - 1)::int
    from rows from (jsonb_to_recordset(p_routes) as (rule_name text, target_name text)) with ordinality as r (rule_name, target_name, position)
    where not p_sender -> 'except_targets' ? r.target_name
      and not exists (select 1 from aftercommit.rules u where u.name = r.rule_name and u.state = 'PAUSED')
      and not exists (select 1 from aftercommit.targets t where t.name = r.target_name and t.state = 'PAUSED'));
end $$;

-- The rows of accepted orders, in one statement. What a person is told is as in `tell`; a confirmed order that ships or comes
-- from a cart has its next steps written with it. Deliveries of the claimed routes, and messages when the sender takes them, are
-- written as claimed. Returns what the sender of each claimed message needs to know: { order_id: message }.
create function aftercommit.insert_orders(p_group_id uuid, p_orders jsonb, p_routes jsonb, p_taken uuid[], p_sender jsonb,
                                          p_claimed_routes int[], p_now timestamptz)
returns jsonb
language plpgsql volatile as $$
#variable_conflict use_column
declare
  v_claimed_by text := p_sender ->> 'claimed_by';
  v_tells      jsonb := nullif(p_sender -> 'messages', 'null');
  v_configured text[] := array(select jsonb_array_elements_text(v_tells -> 'configured'));
  v_messages   jsonb;
begin
  with o as materialized (
    select *
    from jsonb_to_recordset(p_orders) as o (
      order_id uuid, caller text, customer_id text, phone text, phone_hash text, country text, channels text[], shipping jsonb,
      cart_id text, workflow_id text, sale_id text, status text, payment_mode text, payment_status text, deadline timestamptz,
      total_minor bigint, currency text, lines jsonb, event jsonb, deliveries jsonb, notification jsonb, payment jsonb)
    where o.order_id = any (p_taken)),
  placed as (
    insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor, currency,
                                    deadline, cart_id, last_seq, workflow_id, group_id, sale_id, created_at, updated_at)
    select o.order_id, o.caller, o.customer_id, o.status, o.payment_mode, o.payment_status, o.total_minor, o.currency,
           o.deadline, o.cart_id, 1, o.workflow_id, p_group_id, o.sale_id, p_now, p_now from o),
  lines as (
    insert into aftercommit.order_lines (order_id, line_number, sku, quantity, unit_price_minor)
    select o.order_id, l.line_number, l.sku, l.quantity, l.unit_price_minor
    from o, jsonb_to_recordset(o.lines) as l (line_number int, sku text, quantity int, unit_price_minor bigint)),
  contacts as (
    insert into aftercommit.order_contacts (order_id, customer_id, phone, phone_hash, country, channels, shipping)
    select o.order_id, o.customer_id, o.phone, o.phone_hash, o.country, o.channels, nullif(o.shipping, 'null') from o),
  intents as (
    insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, created_at, updated_at)
    select (o.payment ->> 'payment_id')::uuid, o.order_id, o.payment ->> 'method', o.total_minor, o.currency, p_now, p_now
    from o where jsonb_typeof(o.payment) = 'object'),
  events as (
    insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, workflow_id,
                                    routed_at, published_at)
    select (o.event ->> 'id')::uuid, 'order', o.order_id, 1, o.event ->> 'source', o.event ->> 'type', o.event -> 'payload', p_now,
           o.workflow_id, case when jsonb_typeof(o.deliveries) = 'array' then p_now end, case when o.deliveries = '[]' then p_now end
    from o),
  sent as (
    insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name, transformer, created_at,
                                        state, attempts, claimed_by, send_until, first_attempt_at)
    select d.id, (o.event ->> 'id')::uuid, o.order_id, 1, p_routes -> d.route ->> 'rule_name', p_routes -> d.route ->> 'target_name',
           nullif(p_routes -> d.route -> 'transformer', 'null'), p_now,
           case when c.claimed then 'SENDING' else 'READY' end, case when c.claimed then 1 else 0 end,
           case when c.claimed then v_claimed_by end,
           case when c.claimed then now() + (p_sender ->> 'deliveries_for_ms')::int * interval '1 millisecond' end,
           case when c.claimed then now() end
    from o, jsonb_to_recordset(nullif(o.deliveries, 'null')) as d (id uuid, route int),
         lateral (select d.route = any (p_claimed_routes) as claimed) c),
  told as (
    insert into aftercommit.notifications (notification_id, event_id, order_id, customer_id, template, template_version, language,
                                           channels, status, reason, ended_at, expires_at, created_at, updated_at)
    select (o.notification ->> 'notification_id')::uuid, (o.event ->> 'id')::uuid, o.order_id, o.customer_id, t.name, t.version,
           p.language, coalesce(p.channels, o.channels), case when c.none then 'SUPPRESSED' else 'PENDING' end,
           case when c.none then 'no_channel' end, case when c.none then p_now end,
           p_now + (t.definition ->> 'expiresAfterSeconds')::int * interval '1 second', p_now, p_now
    from o
    cross join lateral (select name, version, definition from aftercommit.templates
                        where name = o.notification ->> 'template' order by version desc limit 1) t
    left join aftercommit.customer_preferences p on p.customer_id = o.customer_id
    cross join lateral (select cardinality(coalesce(p.channels, o.channels)) = 0 as none) c
    where t.definition ->> 'state' = 'ENABLED'
    returning notification_id, order_id, customer_id, template_version, language, channels),
  first_calls as (
    select (o.notification ->> 'attempt_id')::uuid as attempt_id, n.notification_id, n.order_id, o.phone_hash, n.customer_id,
           n.template_version, n.language, n.channels,
           -- The first that has a sender; with none of them it is the first, and whoever sends it says so.
           coalesce((select wanted.channel from unnest(n.channels) with ordinality as wanted (channel, position)
                     where wanted.channel = any (v_configured) order by wanted.position limit 1), n.channels[1]) as channel
    from told n join o on o.order_id = n.order_id
    where cardinality(n.channels) > 0),
  attempts as (
    insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, created_at,
                                                   state, claimed_by, sends, started_at, phone_hash, send_until, silent_at)
    select f.attempt_id, f.notification_id, f.order_id, 1, case when v_tells is null then f.channels[1] else f.channel end, p_now,
           case when v_tells is null then 'READY' else 'SENDING' end, case when v_tells is not null then v_claimed_by end,
           case when v_tells is null then 0 else 1 end, case when v_tells is not null then now() end,
           case when v_tells is not null then f.phone_hash end,
           now() + (v_tells ->> 'for_ms')::int * interval '1 millisecond',
           now() + (v_tells -> 'silence_ms' ->> f.channel)::int * interval '1 millisecond'
    from first_calls f),
  -- As a claim counts them: each number once, in the order of the hashes.
  counted as (
    insert into aftercommit.recipient_days as days (phone_hash, day, messages)
    select f.phone_hash, (now() at time zone 'UTC')::date, count(*) from first_calls f
    where (v_tells ->> 'is_counted')::boolean group by 1 order by 1
    on conflict (phone_hash, day) do update set messages = days.messages + excluded.messages
    returning phone_hash, messages)
  select jsonb_object_agg(f.order_id, jsonb_build_object(
           'channel', f.channel, 'wanted', f.channels, 'templateVersion', f.template_version, 'language', f.language,
           'timeZone', p.time_zone, 'quietHours', p.quiet_hours, 'messagesToday', d.messages,
           'known', (select jsonb_object_agg(r.channel, jsonb_build_object('optedOut', r.opted_out_at is not null,
                              'lastInboundAt', (extract(epoch from r.last_inbound_at) * 1000)::bigint))
                     from aftercommit.recipients r where r.phone_hash = f.phone_hash)))
  into v_messages
  from first_calls f
  left join aftercommit.customer_preferences p on p.customer_id = f.customer_id
  left join counted d on d.phone_hash = f.phone_hash
  where v_tells is not null;

  perform aftercommit.intend_fulfilment(o.order_id, o.shipment_id, null, 0, p_now)
  from jsonb_to_recordset(p_orders) as o (order_id uuid, status text, shipping jsonb, cart_id text, shipment_id uuid)
  where o.order_id = any (p_taken) and o.status = 'CONFIRMED' and (o.cart_id is not null or jsonb_typeof(o.shipping) = 'object');
  return coalesce(v_messages, '{}');
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
