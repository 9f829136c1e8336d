import { Router, type Request, type Response } from 'express';
import { fingerprintOf } from '../database/installation';
import { requestedPaymentIdOf } from '../database/ids';
import { requestPayment, type PaymentRequest } from '../database/payment-requests';
import { findPayment, type Payment } from '../database/payments';
import { isUndone, type VisibleStatus } from '../domain/orders';
import {
  NotFoundError,
  OrderNotPayableError,
  PaymentDeclinedError,
  TemporalUnavailableError,
} from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { idempotencyKeyOf } from './idempotency-key';
import { readJsonBody } from './json-body';
import { PaymentMethod } from './new-order';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { Order, readVisibleOrder, startable, type VisibleOrder } from './order-views';
import { askToPay } from './order-workflow';
import { IdempotencyKeyHeader, orderIdIn, preferHeader } from './orders';
import { waitMsOf } from './prefer';
import { route } from './routes';
import { Uuid } from './schemas';
import { checkBody } from './validation';
import { z } from './zod';

/** Payments of orders that wait for one: the intent is written here, the rest is done by the order's workflow. */
export function paymentsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/orders/{orderId}/payments', {
    post: { scope: 'orders:write', handle: withDatabase((req, res) => payOrder(deps, req, res)) },
  });
  return router;
}

const NewPayment = z
  .strictObject({
    method: PaymentMethod,
  })
  .openapi('NewPayment');

async function payOrder(deps: HttpDeps, req: Request, res: Response): Promise<void> {
  const asked = await readAsked(deps, req, callerOf(res));
  const waitMs = waitMsOf(req, res);
  const order = await readPayable(deps, asked.orderId);
  if (!deps.health.temporal) await refuseUnlessDecided(deps, order, asked.paymentId);

  const { payment, inserted } = await requestPayment(deps.pool, asked);
  if (!isDecided(payment, order))
    await askToPay(deps, startable(order), { paymentId: asked.paymentId, waitMs });
  if (!inserted) res.setHeader('Idempotent-Replayed', 'true');
  await answer(deps, asked, res);
}

async function readAsked({ installation }: HttpDeps, req: Request, caller: string): Promise<PaymentRequest> {
  const orderId = orderIdIn(req);
  const key = idempotencyKeyOf(req);
  const sent = await readJsonBody(req);
  const { method } = checkBody(NewPayment, sent);
  const fingerprint = fingerprintOf(installation, 'POST', '/v1/orders/{orderId}/payments', sent);
  return { paymentId: requestedPaymentIdOf(orderId, caller, key), orderId, method, fingerprint };
}

/** @throws NotFoundError, OrderNotPayableError before there is an order */
async function readPayable(deps: HttpDeps, orderId: string): Promise<VisibleOrder> {
  const order = await readVisibleOrder(deps, orderId);
  if (order === null) throw new NotFoundError('There is no such order.');
  if (order.status === 'ACCEPTED' || order.status === 'REJECTED') {
    throw new OrderNotPayableError('There is no order yet, or there never will be.', {
      extensions: { state: order.status },
    });
  }
  return order;
}

/** Without Temporal nothing is written that nobody would carry out; what is already known can be told. */
async function refuseUnlessDecided(
  { pool }: HttpDeps,
  order: VisibleOrder,
  paymentId: string,
): Promise<void> {
  const known = await findPayment(pool, paymentId);
  if (known !== null && isDecided(known, order)) return;
  throw new TemporalUnavailableError('Temporal cannot be reached; repeat the request with the same key.');
}

const PAID: readonly string[] = ['CONFIRMED', 'SHIPPED', 'COMPLETED'];

function isEnding(status: VisibleStatus): boolean {
  return status === 'COMPENSATING' || isUndone(status);
}

/** Also one that was taken, and goes back with its order. */
function isRefused({ state, undoneAt }: Payment, { status }: VisibleOrder): boolean {
  const cameToNothing = state === 'DECLINED' || state === 'VOIDED' || state === 'FAILED';
  return undoneAt !== null || cameToNothing || isEnding(status);
}

/** Captured, but not yet settled, is not decided: the order may be closed meanwhile. */
function isPaid({ state, undoneAt }: Payment, { status }: VisibleOrder): boolean {
  return state === 'CAPTURED' && undoneAt === null && PAID.includes(status);
}

function isDecided(payment: Payment, order: VisibleOrder): boolean {
  return isRefused(payment, order) || isPaid(payment, order);
}

function reasonOf({ state, undoneAt, errorCode }: Payment, { status }: VisibleOrder): string {
  if (errorCode !== null) return errorCode;
  return undoneAt !== null || isEnding(status) ? 'order_closed' : state.toLowerCase();
}

async function answer(deps: HttpDeps, { orderId, paymentId }: PaymentRequest, res: Response): Promise<void> {
  const payment = await findPayment(deps.pool, paymentId);
  const order = await readVisibleOrder(deps, orderId);
  if (payment === null || order === null) throw new NotFoundError('There is no such payment.');
  if (isRefused(payment, order)) {
    const reason = reasonOf(payment, order);
    throw new PaymentDeclinedError('The payment was declined, or came too late and goes back.', {
      extensions: { reason, paymentId, state: order.status },
    });
  }
  const isDone = isPaid(payment, order);
  if (!isDone) res.location(order.links.self);
  res.status(isDone ? 200 : 202).json(order);
}

export const paymentOperations: Operation[] = [
  {
    method: 'post',
    path: '/v1/orders/{orderId}/payments',
    tags: ['Orders'],
    summary: 'Pay for an order that waits for it',
    description:
      '200 once the order is paid; 202 before, also while the customer has to confirm the payment at `payment.actionUrl`. ' +
      'A repeat with the same key is the same payment. 402 `payment_declined` with `reason`; the order waits on, until its ' +
      'deadline. 409 `order_not_payable` with `state`, or `payment_in_progress` with the `paymentId` of the other one.',
    request: {
      params: z.object({ orderId: Uuid }),
      headers: z.object({ 'Idempotency-Key': IdempotencyKeyHeader, Prefer: preferHeader }),
      body: jsonBody(NewPayment),
    },
    responses: guardedAnswers({ 200: Order, 202: Order }, [...BODY_PROBLEMS, 402, 404, 409]),
  },
];
