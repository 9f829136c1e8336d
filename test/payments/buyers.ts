import { orderIdOf } from '../../src/database/ids';
import { controlFake } from '../dev/fake-control';
import { ADDRESS, REFUSED_ADDRESS, type Shop } from '../e2e/shop';
import type { NewOrder } from '../e2e/stack';
import type { OrderPlan } from './plan';
import type { Progress, Watch } from './watch';

/** Everything that the life of one order needs. */
export interface Buyers {
  shop: Shop;
  watch: Watch;
  /** Of the installation: an order's id follows from its key. */
  namespace: string;
}

const GOOD_CARD = 'tok_visa';
/** Longer than the run. */
const LONG_SECONDS = 1_800;
/** What nobody pays ends soon. */
const SHORT_SECONDS = 5;
/** Shorter than a late answer of the gateway. */
const AT_DEADLINE_SECONDS = 2;

/** Lives through one order as it is planned, until nobody has to do anything about it any more. */
export async function buy(buyers: Buyers, plan: OrderPlan): Promise<void> {
  const orderId = orderIdOf(buyers.namespace, 'local', plan.key);
  await planFaults(buyers, plan, orderId);
  await place(buyers, plan);
  if (plan.isCancelledAtOnce) await buyers.shop.cancel(orderId);
  else if (plan.mode === 'wait') await pay(buyers, plan, orderId);
  const { status } = await isDecided(buyers, orderId);
  if (status === 'CONFIRMED') await liveOn(buyers, plan, orderId);
}

async function planFaults({ shop }: Buyers, { failure }: OrderPlan, orderId: string): Promise<void> {
  if (failure?.faults === undefined) return;
  const faults = failure.faults.map((fault) => ({ ...fault, match: { orderId } }));
  await controlFake(shop.stack.fakeUrls.payments, { faults });
}

async function place({ shop }: Buyers, plan: OrderPlan): Promise<void> {
  const { key, sku, quantity, unitPriceMinor } = plan;
  const order: NewOrder = {
    ...{ key, sku, quantity, unitPriceMinor, customerId: `cus_${plan.number}` },
    ...(plan.mode === 'wait' ? { deadlineSeconds: deadlineOf(plan) } : { method: methodOf(plan) }),
    ...(plan.ships ? { shipping: plan.isAddressRefused ? REFUSED_ADDRESS : ADDRESS } : {}),
    ...(plan.hasCart ? { cartId: `cart-${plan.number}` } : {}),
  };
  const { status, text } = await shop.stack.placeOrder(order);
  if (status !== 201 && status !== 202) throw new Error(`answered ${status}: ${text}`);
}

const methodOf = ({ failure }: OrderPlan): string => failure?.method ?? GOOD_CARD;

function deadlineOf({ isAbandoned, failure, secondTry }: OrderPlan): number {
  if (failure?.atDeadline === true) return AT_DEADLINE_SECONDS;
  if (isAbandoned || failure?.customer !== undefined) return SHORT_SECONDS;
  return failure !== null && secondTry === 'nothing' ? SHORT_SECONDS : LONG_SECONDS;
}

/** Confirmed, or at an end. */
function isDecided({ watch }: Buyers, orderId: string): Promise<Progress> {
  const waiting = ['PENDING_PAYMENT', 'COMPENSATING'];
  return watch.until(orderId, 'decided', ({ status }) => !waiting.includes(status));
}

async function pay(buyers: Buyers, plan: OrderPlan, orderId: string): Promise<void> {
  const { shop, watch } = buyers;
  const total = plan.quantity * plan.unitPriceMinor;
  const customer = plan.failure?.customer;
  if (plan.isAbandoned) return;
  if (customer === 'pays_there_late') {
    await isDecided(buyers, orderId);
    await shop.payAtGateway(orderId, total);
    await watch.until(orderId, 'given back', ({ paymentStatus }) => paymentStatus === 'REFUNDED');
    return;
  }
  const asking = shop.pay(orderId, { key: 'first', method: methodOf(plan) });
  // At the same time, or as soon as it is paid.
  if (plan.number % 2 === 0) await asking;
  if (customer === 'pays_there_too') await shop.payAtGateway(orderId, total);
  await asking;
  if (customer === 'approves' || customer === 'refuses') await act(buyers, orderId, customer);
  const { status } = await watch.until(
    orderId,
    'paid, or unpaid again',
    (now) => now.status !== 'PENDING_PAYMENT' || !now.isPaying,
  );
  if (status === 'PENDING_PAYMENT') await tryAgain(buyers, plan, orderId);
}

async function act(
  { shop, watch }: Buyers,
  orderId: string,
  customer: 'approves' | 'refuses',
): Promise<void> {
  const now = await watch.until(
    orderId,
    'waiting for its customer',
    ({ waitingAuthorization, status }) => waitingAuthorization !== null || status !== 'PENDING_PAYMENT',
  );
  if (now.waitingAuthorization === null) return;
  const outcome = customer === 'approves' ? 'approve' : 'refuse';
  const url = `${shop.stack.fakeUrls.payments}/_customer/${now.waitingAuthorization}`;
  const { status } = await shop.stack.request('POST', url, { outcome });
  // 409: too late, it was given up at the deadline.
  if (status !== 200 && status !== 409) throw new Error(`the gateway answered ${status}`);
}

async function tryAgain({ shop }: Buyers, { secondTry }: OrderPlan, orderId: string): Promise<void> {
  if (secondTry === 'nothing') return;
  const answer =
    secondTry === 'cancel'
      ? await shop.cancel(orderId)
      : await shop.pay(orderId, { key: 'second', method: GOOD_CARD });
  // 402 and 409: the deadline came first.
  if (![200, 202, 402, 409].includes(answer.status))
    throw new Error(`answered ${answer.status}: ${answer.text}`);
}

/** What becomes of an order that is confirmed. */
async function liveOn(buyers: Buyers, plan: OrderPlan, orderId: string): Promise<void> {
  const { shop, watch } = buyers;
  if (plan.ships) {
    const { status } = await watch.until(
      orderId,
      'booked, or undone',
      (now) => now.shipment === 'BOOKED' || !['CONFIRMED', 'COMPENSATING'].includes(now.status),
    );
    if (status !== 'CONFIRMED') return;
    if (plan.fate === 'cancelled') {
      await shop.cancel(orderId);
      await isDecided(buyers, orderId);
      return;
    }
    await travel(buyers, plan, orderId);
  }
  await giveBack(buyers, plan, orderId);
}

async function travel({ shop, watch }: Buyers, { fate }: OrderPlan, orderId: string): Promise<void> {
  await shop.track(orderId, 'shipped');
  await shop.track(orderId, fate === 'returned' ? 'returned' : 'delivered');
  const over = ['COMPLETED', 'CANCELLED'];
  await watch.until(orderId, 'at its end', ({ status }) => over.includes(status));
}

async function giveBack(buyers: Buyers, plan: OrderPlan, orderId: string): Promise<void> {
  const total = plan.quantity * plan.unitPriceMinor;
  const part = { key: 'part', amountMinor: Math.ceil(total / 3) };
  const rest = plan.restocks ? { restock: true } : {};
  switch (plan.fate) {
    case 'refunded':
      return refund(buyers, orderId, { key: 'rest', ...rest });
    case 'refunded_partly':
      return refund(buyers, orderId, part);
    case 'refunded_twice':
      await refund(buyers, orderId, part);
      return refund(buyers, orderId, { key: 'rest', ...rest });
    default:
  }
}

async function refund(
  { shop, watch }: Buyers,
  orderId: string,
  { key, ...asked }: { key: string; amountMinor?: number; restock?: boolean },
): Promise<void> {
  const headers = { 'idempotency-key': key };
  const path = `/v1/orders/${orderId}/refunds`;
  const answer = await shop.stack.request('POST', path, { reason: 'planned', ...asked }, headers);
  if (answer.status !== 202) throw new Error(`answered ${answer.status}: ${answer.text}`);
  await watch.until(orderId, 'refunded', ({ openRefunds }) => openRefunds === 0);
}
