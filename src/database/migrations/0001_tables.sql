-- Everything the product owns lives in one schema, so that it can share a database with the caller's own tables.
create schema if not exists aftercommit;

-- One row: what makes this installation's ids and fingerprints its own.
create table aftercommit.installation (
  only_row        boolean primary key default true check (only_row),
  -- Order ids are UUIDv5 in this namespace, so two installations never share an id.
  namespace       uuid not null default gen_random_uuid(),
  -- Key of the fingerprints' HMAC: whoever sees a fingerprint cannot guess the body behind it.
  fingerprint_key text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  -- Rises with every change of a rule, so that a process knows when its compiled rules are old.
  rules_version   bigint not null default 1,
  created_at      timestamptz not null default now()
);
insert into aftercommit.installation default values;

-- Who changed what by hand and why. Append-only.
create table aftercommit.audit (
  id      bigint generated always as identity primary key,
  at      timestamptz not null default now(),
  actor   text not null,
  action  text not null,
  subject text not null,
  detail  jsonb not null
);
create function aftercommit.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'table % is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger audit_is_append_only before update or delete on aftercommit.audit
  for each row execute function aftercommit.refuse_change();

-- What the columns of the tables that every order writes may hold. Domains, because their checks are made ready once for a session,
-- and those of a table for each statement: a sixth of what an order by itself cost PostgreSQL (three pairs: 16 to 19 %).
create domain aftercommit.receipt_op as text check (value in ('do', 'undo'));
create domain aftercommit.receipt_state as text check (value in ('intended', 'done', 'refused', 'fenced'));
create domain aftercommit.order_status as text check (value in ('PENDING_PAYMENT', 'CONFIRMED', 'SHIPPED', 'COMPLETED', 'COMPENSATING', 'CANCELLED', 'EXPIRED', 'FAILED'));
create domain aftercommit.payment_mode as text check (value in ('none', 'charge', 'wait'));
create domain aftercommit.payment_status as text check (value in ('NONE', 'PENDING', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'FAILED'));
create domain aftercommit.amount_minor as bigint check (value >= 0);
create domain aftercommit.units as int check (value > 0);
create domain aftercommit.aggregate_type as text check (value in ('order', 'subject'));
create domain aftercommit.delivery_state as text check (value in ('READY', 'SENDING', 'DELIVERED', 'DEAD'));
create domain aftercommit.delivery_result as text check (value in ('delivered', 'retry', 'dead'));
create domain aftercommit.notification_status as text check (value in ('PENDING', 'DELIVERED', 'UNREACHED', 'SUPPRESSED', 'EXPIRED'));
create domain aftercommit.channel as text check (value in ('sms', 'whatsapp', 'voice'));
create domain aftercommit.message_state as text check (value in ('READY', 'SENDING', 'ACCEPTED', 'REJECTED', 'AMBIGUOUS', 'HELD'));
create domain aftercommit.resolved_by as text check (value in ('callback', 'look_up', 'late_answer', 'resend', 'operator', 'abandoned'));
create domain aftercommit.message_outcome as text check (value in ('delivered', 'failed', 'silent', 'suppressed'));

-- What was asked for, written before the workflow starts. The body holds personal data until the commit has moved it
-- into the order's own rows; then it is set to null. The fingerprint stays as long as the key is honoured.
create table aftercommit.order_requests (
  order_id    uuid primary key,
  caller      text not null,
  fingerprint text not null,
  body        jsonb,
  created_at  timestamptz not null default now()
);
-- Reconciliation asks for the undecided ones, which still have a body; decided rows are not in this index.
create index order_requests_undecided on aftercommit.order_requests (created_at) where body is not null;

-- The row that says that a step was done, fenced or undone. It is what makes at-least-once activities safe.
create table aftercommit.step_receipts (
  order_id      uuid not null,
  step          text not null,
  op            aftercommit.receipt_op not null,
  state         aftercommit.receipt_state not null,
  outcome       jsonb not null default '{}',
  -- The first decided answer to the caller, replayed byte for byte. Only `commit` receipts have one.
  answer_status int,
  answer_body   text,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  primary key (order_id, step, op)
);

create table aftercommit.inventory (
  sku        text primary key,
  available  int not null check (available >= 0),
  reserved   int not null default 0 check (reserved >= 0),
  sold       int not null default 0 check (sold >= 0),
  updated_at timestamptz not null default now()
) with (fillfactor = 50);

create table aftercommit.orders (
  order_id       uuid primary key,
  caller         text not null,
  customer_id    text not null,
  status         aftercommit.order_status not null,
  payment_mode   aftercommit.payment_mode not null,
  payment_status aftercommit.payment_status not null,
  total_minor    aftercommit.amount_minor not null,
  currency       text not null,
  -- How the order is being closed while its compensations run: { event, status, code }.
  ending         jsonb,
  -- Until when a payment is waited for; null when none is.
  deadline       timestamptz,
  -- The shopping cart that the order came from; cleared once the order is confirmed.
  cart_id        text,
  last_seq       int not null,
  epoch          int not null default 1,
  -- The workflow that looks after it: its own, or that of its group in the flash lane.
  workflow_id    text not null,
  -- The group of the flash lane that committed it.
  group_id       uuid,
  sale_id        text,
  created_at     timestamptz not null,
  updated_at     timestamptz not null
) with (fillfactor = 70);
create index orders_by_time on aftercommit.orders (created_at desc, order_id desc);
create index orders_by_customer on aftercommit.orders (customer_id, created_at desc, order_id desc);
create index orders_by_group on aftercommit.orders (group_id) where group_id is not null;
create index orders_by_sale on aftercommit.orders (sale_id) where sale_id is not null;

-- A group of the flash lane: what one process commits in about a second, supervised by the workflow `group/{group_id}`, which
-- runs before the row is written. A commit holds the row's share lock, so that closing it waits for every commit.
create table aftercommit.groups (
  group_id  uuid primary key,
  -- Who commits under it, for people.
  process   text not null,
  state     text not null check (state in ('OPEN', 'CLOSED', 'ENDED')),
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  -- When nothing of it was left to do.
  ended_at  timestamptz
);
create index groups_not_ended on aftercommit.groups (opened_at) where state <> 'ENDED';

-- A cap on how much of a product's stock is sold in a window of time.
create table aftercommit.sales (
  sale_id                  text primary key,
  sku                      text not null references aftercommit.inventory (sku),
  quantity                 int not null check (quantity > 0),
  -- Units in orders that are not paid yet, and in those that stand.
  reserved                 int not null default 0 check (reserved >= 0),
  sold                     int not null default 0 check (sold >= 0),
  -- Units that one customer may have; null: no limit.
  per_customer             int check (per_customer > 0),
  -- How long a `wait` order of the sale waits for its payment; null: as its caller says.
  payment_deadline_seconds int check (payment_deadline_seconds > 0),
  opens_at                 timestamptz,
  closes_at                timestamptz,
  state                    text not null default 'SCHEDULED' check (state in ('SCHEDULED', 'OPEN', 'CLOSED')),
  -- When the last unit was taken first; units that come back are for sale again.
  sold_out_at              timestamptz,
  -- What was counted at its end: { at, orders, reserved, sold, differences }.
  reconciliation           jsonb,
  created_at               timestamptz not null default now(),
  updated_at               timestamptz not null default now(),
  check (opens_at is null or closes_at is null or opens_at < closes_at),
  check (reserved + sold <= quantity)
) with (fillfactor = 50);

-- What each customer has of a sale, in units.
create table aftercommit.sale_customers (
  sale_id     text not null,
  customer_id text not null,
  units       int not null check (units >= 0),
  primary key (sale_id, customer_id)
);

create table aftercommit.order_lines (
  order_id         uuid not null references aftercommit.orders on delete cascade,
  line_number      int not null,
  sku              text not null,
  quantity         aftercommit.units not null,
  unit_price_minor aftercommit.amount_minor not null,
  primary key (order_id, line_number)
);

-- The only place where an order's personal data lives: erase the row and nothing is left.
create table aftercommit.order_contacts (
  order_id    uuid primary key references aftercommit.orders on delete cascade,
  customer_id text not null,
  phone       text not null,
  -- Keyed, so that nobody can find the number of a hash: what is counted and searched by number goes by it.
  phone_hash  text not null,
  -- ISO 3166 of the number; null when its country cannot be told.
  country     text,
  channels    text[] not null,
  -- { name, line1, line2, postalCode, city, country }: where the goods go; null for an order that does not ship.
  shipping    jsonb,
  -- Whether it ships, for those who may not read where.
  ships       boolean not null generated always as (shipping is not null) stored
);
create index order_contacts_by_customer on aftercommit.order_contacts (customer_id);

-- What a customer wishes for all messages.
create table aftercommit.customer_preferences (
  customer_id text primary key,
  -- In the order in which they are tried; null: as each order says; empty: nothing is to be sent.
  channels    text[],
  language    text,
  -- IANA name.
  time_zone   text,
  -- { from, until }: local times 'HH:MM' between which only what is urgent is sent; null: the installation's.
  quiet_hours jsonb,
  updated_at  timestamptz not null default now()
);

-- What is known of a number on one channel, by its hash: it outlives the erasure of the person, so that a STOP is honoured.
create table aftercommit.recipients (
  phone_hash      text not null,
  channel         text not null check (channel in ('sms', 'whatsapp', 'voice')),
  opted_out_at    timestamptz,
  opt_out_source  text check (opt_out_source in ('inbound', 'provider', 'operator')),
  -- When the person last wrote: WhatsApp takes free text for 24 hours after that.
  last_inbound_at timestamptz,
  updated_at      timestamptz not null default now(),
  primary key (phone_hash, channel)
);

-- How many messages a number was sent on a day (UTC), for the cap. Unlogged: after a crash the counts begin anew.
create unlogged table aftercommit.recipient_days (
  phone_hash text not null,
  day        date not null,
  messages   int not null,
  primary key (phone_hash, day)
) with (fillfactor = 50);
create index recipient_days_by_day on aftercommit.recipient_days (day);

-- The words of each notification, per language and channel. A version never changes; the highest of a name counts.
create table aftercommit.templates (
  name       text not null,
  version    int not null,
  definition jsonb not null,
  actor      text not null,
  created_at timestamptz not null default now(),
  primary key (name, version)
);

-- What callers' own events are about: each subject counts its events, as each order does.
create table aftercommit.subjects (
  subject    text primary key,
  subject_id uuid not null unique default gen_random_uuid(),
  last_seq   int not null
);

-- Events, committed with the state change that they tell of.
create table aftercommit.outbox (
  id             uuid primary key,
  -- Rises in the order of the events of one aggregate, because its row is locked when the number is taken. Replays go by it.
  position       bigint generated always as identity unique,
  aggregate_type aftercommit.aggregate_type not null,
  aggregate_id   uuid not null,
  -- The subject as its caller wrote it; null for orders.
  subject        text,
  seq            int not null,
  source         text not null,
  type           text not null,
  payload        jsonb not null,
  -- Of a caller's own event: a repeat under the same key finds it; the fingerprint tells whether it is the same request.
  idempotency_key text,
  fingerprint    text,
  created_at     timestamptz not null,
  -- When the rules were evaluated and the deliveries frozen.
  routed_at      timestamptz,
  -- When the last of its deliveries was delivered.
  published_at   timestamptz,
  workflow_id    text not null,
  -- Ids of orders and of subjects are UUIDs: one is never the other.
  unique (aggregate_id, seq)
);
create unique index outbox_idempotency_key on aftercommit.outbox (idempotency_key) where idempotency_key is not null;
create index outbox_by_time on aftercommit.outbox (created_at desc, id desc);
create index outbox_unrouted on aftercommit.outbox (created_at) where routed_at is null;
-- By id, which is how the last delivery of an event finds it: by time, it was read from one end to the other for that.
create index outbox_unpublished on aftercommit.outbox (id) where published_at is null;

create table aftercommit.connections (
  name        text primary key,
  kind        text not null,
  -- AES-256-GCM over the JSON of the secret; key_id says which key, so that keys can rotate.
  key_id      text not null,
  nonce       bytea not null,
  ciphertext  bytea not null,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);

create table aftercommit.targets (
  name       text primary key,
  kind       text not null,
  config     jsonb not null,
  connection text references aftercommit.connections (name),
  -- The connection whose secrets sign what is sent.
  signature  text references aftercommit.connections (name),
  retry      jsonb not null default '{}',
  -- Sends a second over all processes; null: no limit.
  rate_per_second int check (rate_per_second > 0),
  -- DISABLED: the receiver said that it is gone (410); what comes for it is dead at once until somebody resumes it.
  state      text not null default 'ENABLED' check (state in ('ENABLED', 'PAUSED', 'DISABLED')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table aftercommit.rules (
  name        text primary key,
  description text,
  pattern     jsonb not null,
  state       text not null check (state in ('ENABLED', 'DISABLED', 'PAUSED')),
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);
create table aftercommit.rule_targets (
  rule_name   text not null references aftercommit.rules (name) on delete cascade,
  position    int not null,
  target_name text not null references aftercommit.targets (name),
  -- { inputPathsMap, inputTemplate } | { input } | { inputPath } | { jsonata }; null: the whole event.
  transformer jsonb,
  primary key (rule_name, position),
  unique (rule_name, target_name)
);
create index rule_targets_by_target on aftercommit.rule_targets (target_name);

-- One event to one target. Target and transformer are frozen when the rules are evaluated; the address and the
-- credentials stay live. Rule and target are named without foreign keys: both may go, the record of what was sent stays.
create table aftercommit.deliveries (
  delivery_id     uuid primary key,
  event_id        uuid not null references aftercommit.outbox (id),
  aggregate_id    uuid not null,
  seq             int not null,
  rule_name       text not null,
  target_name     text not null,
  transformer     jsonb,
  -- Null for the first delivery; a replay sends the event once more beside it.
  replay_id       uuid,
  -- When a dead letter was taken up again. It has lost its place: events after it do not wait for it.
  redriven_at     timestamptz,
  -- Attempts up to then: its retry policy begins anew, its attempts go on counting.
  attempts_before int not null default 0,
  redrive_id      uuid,
  state           aftercommit.delivery_state not null default 'READY',
  attempts        int not null default 0,
  claimed_by      text,
  send_until      timestamptz,
  next_attempt_at timestamptz not null default now(),
  -- True while it waits because its receiver asked for it (Retry-After): then nothing brings it forward.
  asked_to_wait   boolean not null default false,
  first_attempt_at timestamptz,
  error_code      text,
  created_at      timestamptz not null default now(),
  finished_at     timestamptz,
  unique nulls not distinct (event_id, rule_name, target_name, replay_id)
) with (fillfactor = 70);
create index deliveries_by_replay on aftercommit.deliveries (replay_id, state) where replay_id is not null;
create index deliveries_by_redrive on aftercommit.deliveries (redrive_id, state) where redrive_id is not null;
create index deliveries_dead on aftercommit.deliveries (finished_at, delivery_id) where state = 'DEAD';
create index deliveries_by_aggregate on aftercommit.deliveries (aggregate_id, target_name, seq);
create index deliveries_by_time on aftercommit.deliveries (created_at desc, delivery_id desc);
create index deliveries_open on aftercommit.deliveries (target_name, next_attempt_at) where state in ('READY', 'SENDING');

create table aftercommit.delivery_attempts (
  delivery_id uuid not null references aftercommit.deliveries on delete cascade,
  n           int not null,
  started_at  timestamptz not null,
  latency_ms  int,
  http_status int,
  -- null until a result is known: a crash between the send and its record leaves it so.
  result      aftercommit.delivery_result,
  error_code  text,
  error       text,
  primary key (delivery_id, n)
);

-- When the next send to a target with a rate may begin. Unlogged: after a crash the rates begin anew.
create unlogged table aftercommit.target_rates (
  target_name text primary key,
  next_at     timestamptz not null
) with (fillfactor = 50);

-- Events sent again out of the archive.
create table aftercommit.replays (
  replay_id     uuid primary key,
  actor         text not null,
  -- { from, to, types, orderId, target }: which events, to which target.
  filter        jsonb not null,
  rate_per_second int not null check (rate_per_second > 0),
  state         text not null default 'RUNNING' check (state in ('RUNNING', 'PAUSED', 'CANCELLED', 'COMPLETED')),
  -- Events up to here have their deliveries; those after `last_position` came later than the replay.
  position      bigint not null,
  last_position bigint not null,
  events_total  int not null,
  events_routed int not null default 0,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);

-- Dead letters taken up again together.
create table aftercommit.redrives (
  redrive_id  uuid primary key,
  actor       text not null,
  filter      jsonb not null,
  state       text not null default 'RUNNING' check (state in ('RUNNING', 'COMPLETED')),
  total       int not null,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);

-- Workflows that callers enqueued inside their own transactions. The bridge starts each once after that commit.
create table aftercommit.workflow_starts (
  workflow_id   text primary key,
  workflow_type text not null,
  task_queue    text not null,
  input         jsonb not null,
  created_at    timestamptz not null default now(),
  attempts      int not null default 0,
  error         text,
  next_attempt_at timestamptz not null default now(),
  started_at    timestamptz
);
create index workflow_starts_open on aftercommit.workflow_starts (next_attempt_at) where started_at is null;

-- What a person is told of one event.
create table aftercommit.notifications (
  notification_id uuid primary key,
  event_id        uuid not null references aftercommit.outbox (id),
  order_id        uuid not null references aftercommit.orders,
  customer_id     text not null,
  template        text not null,
  -- The words stay the same for every attempt, whatever becomes of the template.
  template_version int not null,
  language        text,
  -- In the order in which they are tried.
  channels        text[] not null,
  status          aftercommit.notification_status not null default 'PENDING',
  -- Why it ended so, for instance opted_out or 63016.
  reason          text,
  -- Attempts before this one told the person already, when an operator had it sent again.
  first_n         int not null default 1,
  -- [{ channel, code }]: channels that were passed over without a call.
  skipped         jsonb not null default '[]',
  -- Not sent after this: the news is old.
  expires_at      timestamptz not null,
  -- True while a workflow of its own works on it, which then wants to know of every change.
  in_workflow     boolean not null default false,
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  ended_at        timestamptz,
  unique (event_id, customer_id, template)
) with (fillfactor = 70);
create index notifications_by_order on aftercommit.notifications (order_id);
create index notifications_by_customer on aftercommit.notifications (customer_id, created_at desc, notification_id desc);
create index notifications_pending on aftercommit.notifications (created_at) where status = 'PENDING';
create index notifications_by_time on aftercommit.notifications (created_at desc, notification_id desc);

-- One call to a provider on one channel. Written before the call; the sid is stored after it.
create table aftercommit.notification_attempts (
  attempt_id      uuid primary key,
  notification_id uuid not null references aftercommit.notifications on delete cascade,
  order_id        uuid not null,
  -- Counts 1, 2, 3 … over all channels of the notification.
  n               int not null,
  channel         aftercommit.channel not null,
  state           aftercommit.message_state not null default 'READY',
  claimed_by      text,
  send_until      timestamptz,
  next_attempt_at timestamptz not null default now(),
  started_at      timestamptz,
  -- Claims; more than one only after answers that prove that nothing was processed, or after a wait.
  sends           int not null default 0,
  -- Calls that were certainly not processed.
  unprocessed     int not null default 0,
  -- How often the provider was asked for a message without an outcome, and when last.
  look_ups        int not null default 0,
  looked_up_at    timestamptz,
  -- True once it was ambiguous, however it ended: every ambiguous attempt is counted.
  was_ambiguous   boolean not null default false,
  ambiguous_at    timestamptz,
  -- What made an ambiguous one definite.
  resolved_by     aftercommit.resolved_by,
  -- Of the number; null once the person was erased.
  phone_hash      text,
  message_sid     text unique,
  -- What the provider says became of it, and how far that is: a report of a lower rank changes nothing.
  provider_status text,
  status_rank     int not null default 0,
  answered_by     text,
  -- What that means for the person; null while nothing final is known.
  outcome         aftercommit.message_outcome,
  error_code      text,
  error           text,
  latency_ms      int,
  created_at      timestamptz not null,
  accepted_at     timestamptz,
  -- When an accepted message without a final report counts as silent.
  silent_at       timestamptz,
  finished_at     timestamptz,
  -- When its outcome was known.
  outcome_at      timestamptz,
  unique (notification_id, n)
) with (fillfactor = 70);
create index notification_attempts_by_order on aftercommit.notification_attempts (order_id);
create index notification_attempts_by_phone on aftercommit.notification_attempts (phone_hash, created_at desc) where phone_hash is not null;
create index notification_attempts_unfinished on aftercommit.notification_attempts (created_at) where state in ('READY', 'SENDING', 'AMBIGUOUS');
create index notification_attempts_held on aftercommit.notification_attempts (created_at) where state = 'HELD';
create index notification_attempts_silent on aftercommit.notification_attempts (silent_at) where state = 'ACCEPTED' and outcome is null;

-- What the provider reported, each status of a message once. Without an attempt it is parked: nobody knows the message.
create table aftercommit.provider_callbacks (
  message_sid text not null,
  status      text not null,
  error_code  text,
  answered_by text,
  attempt_id  uuid references aftercommit.notification_attempts on delete cascade,
  received    int not null default 1,
  received_at timestamptz not null default now(),
  primary key (message_sid, status)
);
create index provider_callbacks_unknown on aftercommit.provider_callbacks (received_at) where attempt_id is null;
create index provider_callbacks_by_attempt on aftercommit.provider_callbacks (attempt_id);

-- An order may have several: one that was declined, or that came too late, stays beside the one that counts.
create table aftercommit.payments (
  payment_id       uuid primary key,
  order_id         uuid not null references aftercommit.orders,
  method           text not null,
  amount_minor     bigint not null check (amount_minor >= 0),
  currency         text not null,
  state            text not null default 'INTENDED' check (state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED',
                                                                     'DECLINED', 'VOIDED', 'FAILED')),
  -- Set once it is to be taken back: it pays for the order no more, and what it captured is refunded.
  undone_at        timestamptz,
  -- Of the request that asked for it; null for one that came with the order, or that only the gateway told of.
  fingerprint      text,
  -- Number in the idempotency key; it rises only after a definite failure of the key before.
  key_number       int not null default 1,
  -- When this key was taken: gateways forget keys, so an old one is looked up before it is used again.
  key_at           timestamptz not null default now(),
  authorization_id text,
  capture_id       text,
  -- Where the customer confirms the payment, while the gateway waits for that.
  action_url       text,
  captured_minor   bigint not null default 0,
  refunded_minor   bigint not null default 0,
  error_code       text,
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  check (refunded_minor >= 0 and refunded_minor <= captured_minor)
);
create index payments_by_order on aftercommit.payments (order_id, created_at);
-- One payment at a time pays for an order.
create unique index payments_one_live on aftercommit.payments (order_id)
  where undone_at is null and state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED');

-- The payment of an order that counts: the live one, or else the last.
create view aftercommit.order_payments as
  select distinct on (order_id) *
  from aftercommit.payments
  order by order_id, (undone_at is null and state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED')) desc,
           created_at desc, payment_id;

-- What the gateway and the carrier told on their own, each message once. Append-only in effect: nothing here is acted upon
-- twice, because the rows that it is about say what was done.
create table aftercommit.participant_reports (
  participant text not null check (participant in ('payments', 'carrier')),
  report_id   text not null,
  type        text not null,
  -- Null when nobody here knows what it is about; then it is parked.
  order_id    uuid,
  received    int not null default 1,
  received_at timestamptz not null default now(),
  primary key (participant, report_id)
);
create index participant_reports_by_time on aftercommit.participant_reports (received_at);

-- What is to be done for an order once it is confirmed, written in the transaction that confirms it.
create table aftercommit.shipments (
  shipment_id uuid primary key,
  order_id    uuid not null unique references aftercommit.orders,
  state       text not null default 'INTENDED' check (state in ('INTENDED', 'BOOKED', 'REFUSED', 'SHIPPED', 'DELIVERED',
                                                                'RETURNED', 'CANCELLED')),
  tracking_id text,
  error_code  text,
  created_at  timestamptz not null,
  updated_at  timestamptz not null
);
create index shipments_open on aftercommit.shipments (created_at) where state in ('INTENDED', 'BOOKED', 'SHIPPED');

create table aftercommit.points (
  entry_id    uuid primary key,
  order_id    uuid not null unique references aftercommit.orders,
  customer_id text not null,
  points      int not null check (points > 0),
  state       text not null default 'INTENDED' check (state in ('INTENDED', 'AWARDED', 'REFUSED', 'REVERSED')),
  error_code  text,
  created_at  timestamptz not null,
  updated_at  timestamptz not null
);
create index points_open on aftercommit.points (created_at) where state = 'INTENDED';

create table aftercommit.carts (
  order_id    uuid primary key references aftercommit.orders,
  cart_id     text not null,
  state       text not null default 'INTENDED' check (state in ('INTENDED', 'CLEARED', 'REFUSED', 'RESTORED')),
  error_code  text,
  created_at  timestamptz not null,
  updated_at  timestamptz not null
);
create index carts_open on aftercommit.carts (created_at) where state = 'INTENDED';

create table aftercommit.refunds (
  refund_id         uuid primary key,
  order_id          uuid not null references aftercommit.orders,
  payment_id        uuid not null references aftercommit.payments,
  amount_minor      bigint not null check (amount_minor > 0),
  currency          text not null,
  reason            text,
  restock           boolean not null default false,
  actor             text not null,
  fingerprint       text,
  -- FAILED: an operator gave it up; the money is refundable again.
  state             text not null default 'PENDING' check (state in ('PENDING', 'DONE', 'PARKED', 'FAILED')),
  key_number        int not null default 1,
  key_at            timestamptz not null default now(),
  gateway_refund_id text,
  error_code        text,
  created_at        timestamptz not null,
  updated_at        timestamptz not null
);
create index refunds_by_order on aftercommit.refunds (order_id);
create index refunds_by_payment on aftercommit.refunds (payment_id);
create index refunds_pending on aftercommit.refunds (created_at) where state = 'PENDING';

-- What a refund gives back for each line of its order, where the caller said so.
create table aftercommit.refund_lines (
  refund_id    uuid not null references aftercommit.refunds on delete cascade,
  line_number  int not null,
  amount_minor bigint not null check (amount_minor > 0),
  primary key (refund_id, line_number)
);

-- A step that has no single right answer waits here for an operator.
create table aftercommit.parked_steps (
  parked_id   uuid primary key default gen_random_uuid(),
  -- Null when nobody here knows the order: a report of the gateway about a payment that is not ours, for instance.
  order_id    uuid,
  -- Names its object: `refund:{refundId}`, `pay:{paymentId}`, `ship:{shipmentId}`, `notify:{attemptId}`, `report:{reportId}`.
  step        text not null,
  reason      text not null,
  -- Who waits for the decision; null when nobody does, and resolving it is all.
  workflow_id text,
  state       text not null default 'OPEN' check (state in ('OPEN', 'RESOLVED')),
  -- What the operator said, from the moment of the request; RESOLVED once it is carried out.
  decision        text check (decision in ('retry', 'skip', 'fail')),
  decided_by      text,
  decision_reason text,
  decided_at  timestamptz,
  created_at  timestamptz not null default now(),
  resolved_at timestamptz
);
-- A step is parked once at a time, however often its activity is repeated.
create unique index parked_steps_open on aftercommit.parked_steps (order_id, step) nulls not distinct where state = 'OPEN';
create index parked_steps_by_time on aftercommit.parked_steps (created_at desc, parked_id desc);
