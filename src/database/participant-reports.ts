import type { Pool } from 'pg';
import type { TrackingState } from '../domain/fulfilment';
import { isUndone, type OrderStatus, type PaymentMode } from '../domain/orders';
import { isUuid } from './ids';
import { writeDecline } from './payment-requests';
import {
  applyPaymentChange,
  findPayment,
  livePaymentOf,
  rememberIntent,
  type Payment,
  type PaymentChange,
} from './payments';
import { applyTracking } from './shipments';
import { transaction, type Queryable } from './transaction';

/** What a participant told on its own, after its signature was checked. */
interface Report {
  reportId: string;
  type: string;
  /** RFC 3339. */
  at: string;
}

/** What has to follow: the order's run looks again; a payment that the order cannot take is given back. */
export interface ReportOutcome {
  wakeOrder: string | null;
  giveBack: { paymentId: string; orderId: string } | null;
}

const NOTHING: ReportOutcome = { wakeOrder: null, giveBack: null };

export interface ShipmentReport extends Report {
  shipmentId: string;
  trackingId: string;
  state: TrackingState;
}

/**
 * Stores what the carrier told, with its effect, in one transaction. Idempotent: nothing is done twice, because the rows
 * that it is about say what was done. What nobody here knows, and what contradicts the carrier's own words, is parked.
 */
export async function recordShipmentReport(pool: Pool, report: ShipmentReport): Promise<ReportOutcome> {
  return transaction(pool, async (client) => {
    const tracked = await applyTracking(client, report);
    const orderId = tracked.kind === 'unknown' ? null : tracked.orderId;
    await remember(client, 'carrier', report, orderId);
    if (tracked.kind === 'unknown') await park(client, report, null, 'unknown_shipment');
    if (tracked.kind === 'contradiction') await park(client, report, orderId, 'shipped_after_cancel');
    // Also for old news: the wake-up after the first report may have been lost.
    return tracked.kind === 'changed' || tracked.kind === 'old'
      ? { ...NOTHING, wakeOrder: orderId }
      : NOTHING;
  });
}

export interface PaymentReport extends Report {
  /** The gateway's word for it; not always an id of ours. */
  paymentId: string;
  orderId: string;
  change: 'AUTHORIZED' | 'DECLINED' | 'CAPTURED' | 'VOIDED';
  authorizationId: string;
  captureId: string | null;
  amountMinor: number;
  currency: string;
  code: string | null;
}

/**
 * Stores what the gateway told, with its effect, in one transaction: the payment's state, or a payment that only the gateway
 * knew of, or the refund of one that the order cannot take any more. Idempotent. A report for an order that nobody here
 * knows is parked: no money moves because of it.
 */
export async function recordPaymentReport(pool: Pool, report: PaymentReport): Promise<ReportOutcome> {
  return transaction(pool, async (client) => {
    const order = await lockKnownOrder(client, report);
    await remember(client, 'payments', report, order?.order_id ?? null);
    if (order === null) {
      await park(client, report, null, 'unknown_order');
      return NOTHING;
    }
    const paymentId = report.paymentId.toLowerCase();
    const payment = await payThatIsMeant(client, order, { ...report, paymentId });
    if (payment === null) return NOTHING;
    if (typeof payment === 'string') {
      await park(client, report, order.order_id, payment);
      return NOTHING;
    }
    const { orderId } = payment;
    await tellDecline(client, order, payment, report);
    const isOwed = payment.state === 'CAPTURED' && !mayPayFor(order, payment);
    return {
      // A run that has its answer needs no second word, and one that undoes the order asks by itself.
      wakeOrder: order.status === 'PENDING_PAYMENT' ? orderId : null,
      giveBack: isOwed ? { orderId, paymentId } : null,
    };
  });
}

/** The order goes on waiting for another payment. */
async function tellDecline(
  client: Queryable,
  { order_id: orderId, status, payment_mode: mode, workflow_id: workflowId }: ReportedOrder,
  { paymentId, state }: Payment,
  { change, code, at }: PaymentReport,
): Promise<void> {
  if (mode !== 'wait' || change !== 'DECLINED' || state !== 'DECLINED') return;
  await writeDecline(client, { orderId, paymentId, code: code ?? 'declined', at, status, workflowId });
}

interface ReportedOrder {
  order_id: string;
  workflow_id: string;
  status: OrderStatus;
  payment_mode: PaymentMode;
  total_minor: number;
  currency: string;
}

async function lockKnownOrder(client: Queryable, report: PaymentReport): Promise<ReportedOrder | null> {
  if (!isUuid(report.orderId)) return null;
  const { rows } = await client.query<ReportedOrder>(
    `select order_id, workflow_id, status, payment_mode, total_minor, currency
     from aftercommit.orders where order_id = $1 for no key update`,
    [report.orderId],
  );
  return rows[0] ?? null;
}

/** It pays for the order or has paid for it; or the run that undoes the order looks after it by itself. */
function mayPayFor({ status }: ReportedOrder, payment: Payment): boolean {
  return payment.undoneAt === null && !isUndone(status);
}

/**
 * The payment after the report. Null when there is nothing to note; the reason to park it when nobody can tell what it is,
 * or when it contradicts what is known of the same capture: no money moves because of that.
 */
async function payThatIsMeant(
  client: Queryable,
  order: ReportedOrder,
  report: PaymentReport,
): Promise<Payment | 'unknown_payment' | 'amount_contradicted' | null> {
  if (!isUuid(report.paymentId)) return report.change === 'CAPTURED' ? 'unknown_payment' : null;
  const known = await findPayment(client, report.paymentId);
  if (known !== null && known.orderId !== order.order_id) return 'unknown_payment';
  if (known?.state === 'CAPTURED') {
    const isSame = known.capturedMinor === report.amountMinor && known.currency === report.currency;
    return report.change === 'CAPTURED' && !isSame ? 'amount_contradicted' : known;
  }
  if (known === null) {
    if (report.change === 'DECLINED' || report.change === 'VOIDED') return null;
    await insertReported(client, order, report);
  }
  const ids = { orderId: order.order_id, paymentId: report.paymentId };
  await rememberIntent(client, ids);
  const change: PaymentChange = {
    state: report.change,
    authorizationId: report.authorizationId,
    captureId: report.captureId ?? undefined,
    errorCode: report.code ?? undefined,
  };
  const payment = await applyPaymentChange(client, ids, change);
  if (payment.amountMinor === report.amountMinor && payment.currency === report.currency) return payment;
  return report.change === 'CAPTURED' ? notWhatWasAsked(client, payment, report) : payment;
}

/** A payment that began at the gateway, for instance on a page of its own. It pays for the order if that waits for one. */
async function insertReported(client: Queryable, order: ReportedOrder, report: PaymentReport): Promise<void> {
  await client.query(
    `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, error_code, undone_at, created_at, updated_at)
     values ($1, $2, 'gateway', $3, $4, $5, case when $5::text is not null then now() end, now(), now())`,
    [
      report.paymentId,
      order.order_id,
      report.amountMinor,
      report.currency,
      await whyNotTaken(client, order, report),
    ],
  );
}

/** Why the order cannot be paid with it; null when it can. */
async function whyNotTaken(
  client: Queryable,
  order: ReportedOrder,
  report: PaymentReport,
): Promise<string | null> {
  // An order that is charged has a payment of its own.
  if (order.status !== 'PENDING_PAYMENT' || order.payment_mode !== 'wait') return 'not_awaited';
  if (order.total_minor !== report.amountMinor || order.currency !== report.currency)
    return 'amount_mismatch';
  return (await livePaymentOf(client, order.order_id)) === null ? null : 'second_payment';
}

/** Another amount or currency than was asked for: it pays for nothing, and what moved goes back. */
async function notWhatWasAsked(client: Queryable, payment: Payment, report: PaymentReport): Promise<Payment> {
  await client.query(
    `update aftercommit.payments
     set captured_minor = $2, currency = $3, undone_at = coalesce(undone_at, now()), error_code = 'amount_mismatch', updated_at = now()
     where payment_id = $1 and refunded_minor = 0`,
    [payment.paymentId, report.amountMinor, report.currency],
  );
  return (await findPayment(client, payment.paymentId))!;
}

async function remember(
  client: Queryable,
  participant: 'payments' | 'carrier',
  { reportId, type }: Report,
  orderId: string | null,
): Promise<void> {
  await client.query(
    `insert into aftercommit.participant_reports (participant, report_id, type, order_id) values ($1, $2, $3, $4)
     on conflict (participant, report_id) do update
     set received = participant_reports.received + 1, order_id = coalesce(excluded.order_id, participant_reports.order_id)`,
    [participant, reportId, type, orderId],
  );
}

/** Nobody waits for it: an operator looks and says so. A step that was resolved is not parked again by a repeat. */
async function park(
  client: Queryable,
  { reportId }: Report,
  orderId: string | null,
  reason: string,
): Promise<void> {
  await client.query(
    `insert into aftercommit.parked_steps (order_id, step, reason)
     select $1, $2, $3 where not exists (select 1 from aftercommit.parked_steps where step = $2)
     on conflict do nothing`,
    [orderId, `report:${reportId}`, reason],
  );
}
