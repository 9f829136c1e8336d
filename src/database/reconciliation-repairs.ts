import type { Pool } from 'pg';
import type { OrderStatus, PaymentStatus } from '../domain/orders';
import {
  subjectId,
  type DetectorName,
  type Finding,
  type FindingAction,
  type Suspect,
} from '../domain/reconciliation';
import { appendAudit } from './audit';
import { insertParked } from './parked';
import { renewLease } from './reconciliation';
import { markFinding, recordFinding } from './reconciliation-findings';
import { eventsOf, RESERVATIONS } from './reconciliation-contradictions';
import { writeMissingEvents, type MissingEvent } from './reconciliation-events';
import { movePaymentStatus } from './refund-settling';
import { transaction, type Queryable } from './transaction';

/**
 * `repaired`: it is right now. `gone`: it was right already when it was looked at under its lock, so it was no finding.
 * `unclear`: there is more than one way to mend it, and a person decides.
 */
export type Mended = 'repaired' | 'gone' | 'unclear';

/** Looks again under the lock of what it changes, and changes it. */
type Mend = (client: Queryable, suspect: Suspect, at: string) => Promise<Mended>;

const MENDS: Partial<Record<DetectorName, Mend>> = {
  missing_event: writeEvents,
  unmarked_event: markPublished,
  early_published_event: unmarkPublished,
  leaked_reservation: releaseReservation,
  refund_total_mismatch: sumRefunds,
};

/** Who changed it, in the audit. */
const ACTOR = 'reconciliation';

export function isMendedInDatabase(detector: DetectorName): boolean {
  return MENDS[detector] !== undefined;
}

/**
 * Mends what a finding is about, in one transaction with the finding and its audit row: killed before the commit, nothing
 * has happened, and after it, nothing is left to find. Idempotent.
 * @param run.at - RFC 3339
 * @returns what was done, or null when nothing was wrong any more
 */
export async function mendInDatabase(
  pool: Pool,
  run: { reconciliationId: string; at: string },
  finding: Finding,
): Promise<FindingAction | null> {
  const mend = MENDS[finding.detector];
  if (mend === undefined) throw new RangeError(`${finding.detector} is not mended in the database`);
  return transaction(pool, async (client) => {
    const mended = await mend(client, finding, run.at);
    if (mended === 'gone') return null;
    const done = await recordFinding(client, run.reconciliationId, finding);
    if (done !== 'none') return done;
    if (mended === 'unclear') return park(client, run.reconciliationId, finding);
    await appendAudit(client, {
      actor: ACTOR,
      action: `reconciliation.${finding.detector}`,
      subject: finding.subject,
      detail: { ...finding.detail, reconciliationId: run.reconciliationId },
    });
    await markFinding(client, run.reconciliationId, finding, 'repaired');
    return 'repaired';
  });
}

/** Writes a finding and puts it where an operator sees it, in one transaction. Idempotent. */
export async function parkFinding(
  pool: Pool,
  reconciliationId: string,
  finding: Finding,
): Promise<FindingAction> {
  return transaction(pool, async (client) => {
    const done = await recordFinding(client, reconciliationId, finding);
    return done === 'none' ? park(client, reconciliationId, finding) : done;
  });
}

/** Nobody waits for the decision: resolving the step says that somebody has looked at it. */
async function park(client: Queryable, reconciliationId: string, finding: Finding): Promise<'parked'> {
  const { orderId, detector, subject } = finding;
  await insertParked(client, { orderId, step: `recon:${subject}`, reason: detector, workflowId: null });
  await markFinding(client, reconciliationId, finding, 'parked');
  return 'parked';
}

/** Writes a finding that nothing is done about. Idempotent. */
export async function noteFinding(
  pool: Pool,
  reconciliationId: string,
  finding: Finding,
  action: FindingAction,
): Promise<void> {
  await transaction(pool, async (client) => {
    await recordFinding(client, reconciliationId, finding);
    if (action !== 'none') await markFinding(client, reconciliationId, finding, action);
  });
}

/** Writes a finding before its workflow is started: whoever dies in between finds it again. @returns what was done already */
export async function openFinding(
  pool: Pool,
  reconciliationId: string,
  finding: Finding,
): Promise<FindingAction> {
  return transaction(pool, (client) => recordFinding(client, reconciliationId, finding));
}

/** @returns false when another run holds the lock: this one must stop */
export async function keepLease(pool: Pool, reconciliationId: string): Promise<boolean> {
  return transaction(pool, (client) => renewLease(client, reconciliationId));
}

async function writeEvents(client: Queryable, { orderId }: Suspect, at: string): Promise<Mended> {
  if (orderId === null) throw new RangeError('an event needs an order');
  await client.query('select 1 from aftercommit.orders where order_id = $1 for no key update', [orderId]);
  const { rows } = await client.query<{ missing: MissingEvent[]; gaps: number[] }>(
    eventsOf('o.order_id = $1'),
    [orderId],
  );
  const { missing, gaps } = rows[0] ?? { missing: [], gaps: [] };
  if (missing.length === 0) return gaps.length === 0 ? 'gone' : 'unclear';
  if (gaps.length > 0 && (gaps.length > 1 || missing.length > 1)) return 'unclear';
  await writeMissingEvents(client, { orderId, missing, seq: gaps[0] ?? null, at });
  return 'repaired';
}

async function markPublished(client: Queryable, { subject }: Suspect, at: string): Promise<Mended> {
  const eventId = subjectId(subject, 'event');
  await client.query('select 1 from aftercommit.outbox where id = $1 for no key update', [eventId]);
  const { rowCount } = await client.query(
    `update aftercommit.outbox e set published_at = $2
     where e.id = $1 and e.published_at is null and e.routed_at is not null
       and not exists (select 1 from aftercommit.deliveries d
                       where d.event_id = e.id and d.replay_id is null and d.state <> 'DELIVERED')`,
    [eventId, at],
  );
  return rowCount === 1 ? 'repaired' : 'gone';
}

async function unmarkPublished(client: Queryable, { subject }: Suspect): Promise<Mended> {
  const { rowCount } = await client.query(
    `update aftercommit.outbox e set published_at = null
     where e.id = $1 and e.published_at is not null
       and exists (select 1 from aftercommit.deliveries d
                   where d.event_id = e.id and d.replay_id is null and d.state in ('READY', 'SENDING'))`,
    [subjectId(subject, 'event')],
  );
  return rowCount === 1 ? 'repaired' : 'gone';
}

/**
 * Gives back what no order holds. Under the product's lock every transaction that moves its stock is either over or has
 * not begun to, because stock is locked last and until the end.
 */
async function releaseReservation(client: Queryable, { subject }: Suspect, at: string): Promise<Mended> {
  const sku = subjectId(subject, 'sku');
  await client.query('select 1 from aftercommit.inventory where sku = $1 for no key update', [sku]);
  const { rows } = await client.query<{ reserved: number; held: number }>(
    `${RESERVATIONS} where i.sku = $1`,
    [sku],
  );
  const stock = rows[0];
  if (stock === undefined || stock.reserved <= stock.held) return 'gone';
  await client.query(
    `update aftercommit.inventory set reserved = $2, available = available + reserved - $2, updated_at = $3 where sku = $1`,
    [sku, stock.held, at],
  );
  return 'repaired';
}

/** Of an order whose payment status tells of money that was kept or went back; the others tell of none. */
const TELLS_OF_MONEY: readonly PaymentStatus[] = ['PAID', 'PARTIALLY_REFUNDED', 'REFUNDED'];

/** The refunds are the facts, each with the gateway's own id; the payment's sum follows from them. */
async function sumRefunds(client: Queryable, { subject, orderId }: Suspect, at: string): Promise<Mended> {
  if (orderId === null) throw new RangeError('a payment needs an order');
  const paymentId = subjectId(subject, 'payment');
  const orders = await client.query<{ status: OrderStatus; paymentStatus: PaymentStatus }>(
    'select status, payment_status as "paymentStatus" from aftercommit.orders where order_id = $1 for no key update',
    [orderId],
  );
  const { rows } = await client.query<{ captured: number; recorded: number }>(
    'select captured_minor as captured, refunded_minor as recorded from aftercommit.payments where payment_id = $1 for no key update',
    [paymentId],
  );
  const sums = await client.query<{ done: number }>(
    `select coalesce(sum(amount_minor), 0)::bigint as done from aftercommit.refunds where payment_id = $1 and state = 'DONE'`,
    [paymentId],
  );
  const [payment, { done }] = [rows[0], sums.rows[0]!];
  if (payment === undefined || payment.recorded === done) return 'gone';
  if (done > payment.captured) return 'unclear';
  await client.query(
    'update aftercommit.payments set refunded_minor = $2, updated_at = $3 where payment_id = $1',
    [paymentId, done, at],
  );
  const { status, paymentStatus } = orders.rows[0]!;
  if (TELLS_OF_MONEY.includes(paymentStatus)) await movePaymentStatus(client, { orderId, status, at });
  return 'repaired';
}
