-- What reconciliation looked at, what it found and what it did about it.
create table aftercommit.reconciliations (
  reconciliation_id uuid primary key,
  -- light: what nobody works on, every few minutes. full: everything. rebuild: open work whose workflows are gone.
  kind        text not null check (kind in ('light', 'full', 'rebuild')),
  -- Reports only: nothing is repaired or parked.
  dry_run     boolean not null,
  -- REQUESTED: nobody has begun it. REFUSED: another one was running, and this one did nothing.
  state       text not null check (state in ('REQUESTED', 'RUNNING', 'COMPLETED', 'REFUSED', 'FAILED')),
  actor       text not null,
  -- Of the request that asked for it; null for one that a schedule or the command line began.
  fingerprint text,
  -- [{ source, code }]: what could not be looked at, because it did not answer.
  unread      jsonb not null default '[]',
  -- Detectors that found more than one run takes: the next run goes on.
  truncated   text[] not null default '{}',
  created_at  timestamptz not null default now(),
  started_at  timestamptz,
  finished_at timestamptz
);
create index reconciliations_by_time on aftercommit.reconciliations (created_at desc, reconciliation_id desc);

-- Append-only in effect: a row is written once, and then only its action changes, from `none` to what was done.
create table aftercommit.reconciliation_findings (
  finding_id  uuid primary key default gen_random_uuid(),
  reconciliation_id uuid not null references aftercommit.reconciliations on delete cascade,
  detector    text not null,
  class       text not null check (class in ('over_retried', 'business_exception', 'idempotency_failure', 'outage')),
  severity    text not null check (severity in ('low', 'medium', 'high')),
  -- Names the object: `order:{orderId}`, `payment:{paymentId}`, `sku:{sku}`.
  subject     text not null,
  order_id    uuid,
  -- Ids, states, amounts and times; no personal data.
  detail      jsonb not null,
  action      text not null default 'none' check (action in ('none', 'repaired', 'parked', 'reported')),
  found_at    timestamptz not null default now(),
  repaired_at timestamptz,
  -- A repeat of an activity finds the same thing and writes nothing new.
  unique (reconciliation_id, detector, subject)
);
-- What was parked or reported once is not told again.
create index reconciliation_findings_by_subject on aftercommit.reconciliation_findings (detector, subject);

-- One runner at a time. The lease is renewed while it runs; that of a runner that died runs out.
create table aftercommit.reconciliation_lock (
  only_row    boolean primary key default true check (only_row),
  holder      uuid,
  lease_until timestamptz not null default '-infinity'
);
insert into aftercommit.reconciliation_lock default values;

-- When an order was handed to a new run: a run that began before is of an older epoch.
create table aftercommit.order_epochs (
  order_id  uuid not null references aftercommit.orders on delete cascade,
  epoch     int not null,
  raised_at timestamptz not null default now(),
  primary key (order_id, epoch)
);
create function aftercommit.note_epoch() returns trigger language plpgsql as $$
begin
  insert into aftercommit.order_epochs (order_id, epoch) values (new.order_id, new.epoch) on conflict do nothing;
  return null;
end $$;
create trigger orders_note_epoch after update of epoch on aftercommit.orders
  for each row when (new.epoch is distinct from old.epoch) execute function aftercommit.note_epoch();

-- Orders that are not at their end; those that ship are found by their shipment.
create index orders_unfinished on aftercommit.orders (order_id) where status in ('PENDING_PAYMENT', 'COMPENSATING');
