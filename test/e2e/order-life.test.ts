import { controlFake } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { ADDRESS, REFUSED_ADDRESS, Shop } from './shop';
import { startStack, type NewOrder, type Stack } from './stack';

/** The whole life of an order on a whole system: paid, shipped, delivered, or undone wherever something is refused. */
let stack: Stack;
let shop: Shop;
let placed = 0;

beforeAll(async () => {
  stack = await startStack();
  shop = new Shop(stack);
  await stack.sendToSink({ name: 'everything', path: '/everything' });
}, 90_000);
afterEach(async () => {
  await controlFake(stack.fakeUrls.payments, { reset: true });
  await controlFake(stack.fakeUrls.carrier, { reset: true });
});
afterAll(() => stack.stop(), 60_000);

const TOTAL_MINOR = 2_000;
/** Long enough for every test that pays. */
const DEADLINE_SECONDS = 300;
const ALL = { available: 5, reserved: 0, sold: 0 };
const SOLD = { available: 3, reserved: 0, sold: 2 };

/** Two units of a product of its own, to be paid later unless a method is named. */
async function place(key: string, order: Partial<NewOrder> = {}): Promise<{ orderId: string; sku: string }> {
  const sku = await stack.stock(`SKU-${key}`, 5);
  const wait = order.method === undefined ? { deadlineSeconds: DEADLINE_SECONDS } : {};
  const orderId = await shop.place({ key, sku, quantity: 2, unitPriceMinor: 1_000, ...wait, ...order });
  placed += 1;
  return { orderId, sku };
}

const parcel = (key: string): Partial<NewOrder> => ({ shipping: ADDRESS, cartId: `cart-${key}` });

describe('an order that waits for its payment', () => {
  it('is paid, shipped and delivered; its points are awarded, its cart is emptied, its customer told', async () => {
    // Everybody tells everything twice.
    await controlFake(stack.fakeUrls.payments, { webhooks: { duplicate: 1 } });
    await controlFake(stack.fakeUrls.carrier, { webhooks: { duplicate: 1 } });
    const { orderId, sku } = await place('life', parcel('life'));
    expect(await shop.stockOf(sku)).toEqual({ available: 3, reserved: 2, sold: 0 });

    const paid = await shop.pay(orderId, { key: 'pay-life', method: 'tok_visa' });

    expect(paid.status).toBe(200);
    expect(paid.body).toMatchObject({
      status: 'CONFIRMED',
      payment: { status: 'PAID', capturedMinor: TOTAL_MINOR },
    });
    expect(await shop.stockOf(sku)).toEqual(SOLD);
    await shop.becomes(orderId, { shipment: { state: 'BOOKED' }, points: { points: 20, state: 'AWARDED' } });
    await shop.track(orderId, 'shipped');
    await shop.becomes(orderId, { status: 'SHIPPED' });
    await shop.track(orderId, 'delivered');
    await shop.becomes(orderId, { status: 'COMPLETED', shipment: { state: 'DELIVERED' } });
    expect(await shop.events(orderId)).toEqual(['placed', 'confirmed', 'shipped', 'delivered']);
    await shop.told(orderId, ['Order # confirmed.', 'Order # shipped.', 'Order # delivered.']);
    expect(shop.did('payments', orderId)).toEqual(['authorized', 'captured']);
    expect(shop.did('carrier', orderId)).toEqual(['booked', 'shipped', 'delivered']);
    expect(shop.facts('points', orderId)).toEqual([expect.objectContaining({ type: 'awarded', points: 20 })]);
    expect(shop.did('cart', orderId)).toEqual(['cleared']);
  });

  it('waits on after a card was declined, and is paid with another one', async () => {
    const { orderId, sku } = await place('declined');

    const declined = await shop.pay(orderId, { key: 'pay-1', method: 'tok_declined' });
    const again = await shop.pay(orderId, { key: 'pay-1', method: 'tok_declined' });
    const paid = await shop.pay(orderId, { key: 'pay-2', method: 'tok_visa' });

    expect(declined.status).toBe(402);
    expect(declined.body).toMatchObject({
      code: 'payment_declined',
      reason: 'card_declined',
      state: 'PENDING_PAYMENT',
    });
    expect(again.status).toBe(402);
    expect(paid.body).toMatchObject({ status: 'CONFIRMED', payment: { status: 'PAID' } });
    expect(await shop.events(orderId)).toEqual(['placed', 'payment_failed', 'confirmed']);
    expect(await shop.stockOf(sku)).toEqual(SOLD);
    await shop.told(orderId, [
      'Payment for order # failed. Anything taken goes back to you.',
      'Order # confirmed.',
    ]);
  });

  it('waits for the customer to confirm the payment, takes no other meanwhile, and is confirmed by the webhook', async () => {
    const { orderId } = await place('action');

    const asked = await shop.pay(orderId, { key: 'pay-action', method: 'tok_requires_action' });
    const other = await shop.pay(orderId, { key: 'pay-other', method: 'tok_visa' });

    expect(asked.status).toBe(202);
    const authorizationId = String(shop.facts('payments', orderId)[0]?.['authorizationId']);
    const { actionUrl } = asked.body['payment'] as { actionUrl: string };
    expect(actionUrl).toContain(`/_customer/${authorizationId}`);
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({
      code: 'payment_in_progress',
      paymentId: shop.paymentIdOf(orderId, 'pay-action'),
    });

    await shop.act(orderId, 'approve');

    await shop.becomes(orderId, { status: 'CONFIRMED', payment: { status: 'PAID', actionUrl: null } });
    expect(shop.did('payments', orderId)).toEqual(['requires_action', 'action_completed', 'captured']);
    const repeated = await shop.pay(orderId, { key: 'pay-action', method: 'tok_requires_action' });
    expect(repeated.status).toBe(200);
  });

  it('waits on after its customer refused to confirm, and is cancelled', async () => {
    const { orderId, sku } = await place('refused');
    await shop.pay(orderId, { key: 'pay-refused', method: 'tok_requires_action' });

    await shop.act(orderId, 'refuse');

    await waitFor('it is told', async () => (await shop.events(orderId)).includes('payment_failed'));
    expect(await stack.orderStatus(orderId)).toBe('PENDING_PAYMENT');
    const cancelled = await shop.cancel(orderId);
    expect(cancelled.body).toMatchObject({ status: 'CANCELLED', payment: { capturedMinor: 0 } });
    expect(await shop.stockOf(sku)).toEqual(ALL);
    expect(await shop.events(orderId)).toEqual(['placed', 'payment_failed', 'cancelled']);
  });

  it('is confirmed at its deadline when the customer confirmed and the webhook was lost', async () => {
    await controlFake(stack.fakeUrls.payments, { webhooks: { lose: true } });
    const { orderId } = await place('lost', { deadlineSeconds: 4 });
    await shop.pay(orderId, { key: 'pay-lost', method: 'tok_requires_action' });

    await shop.act(orderId, 'approve');

    await shop.becomes(orderId, { status: 'CONFIRMED' });
    expect(await shop.events(orderId)).toEqual(['placed', 'confirmed']);
    const { body } = await stack.request('GET', `/v1/orders/${orderId}`);
    expect(Date.parse(String(body['updatedAt']))).toBeGreaterThan(
      Date.parse(String(body['createdAt'])) + 4_000,
    );
  });

  it('is confirmed by a payment that began at the gateway', async () => {
    const { orderId, sku } = await place('gateway', parcel('gateway'));

    await shop.payAtGateway(orderId, TOTAL_MINOR);

    await shop.becomes(orderId, {
      status: 'CONFIRMED',
      payment: { status: 'PAID' },
      shipment: { state: 'BOOKED' },
    });
    expect(await shop.stockOf(sku)).toEqual(SOLD);
    await shop.becomes(orderId, { points: { points: 20, state: 'AWARDED' } });
  });

  it('expires, gives its stock back, and gives back once what is captured after that', async () => {
    await controlFake(stack.fakeUrls.payments, { webhooks: { duplicate: 2 } });
    const { orderId, sku } = await place('expired', { deadlineSeconds: 1 });
    await shop.becomes(orderId, { status: 'EXPIRED' });
    expect(await shop.stockOf(sku)).toEqual(ALL);

    const tooLate = await shop.pay(orderId, { key: 'pay-late', method: 'tok_visa' });
    await shop.payAtGateway(orderId, TOTAL_MINOR);

    expect(tooLate.status).toBe(409);
    expect(tooLate.body).toMatchObject({ code: 'order_not_payable', state: 'EXPIRED' });
    await shop.becomes(orderId, { status: 'EXPIRED', payment: { status: 'REFUNDED' } });
    expect(await shop.events(orderId)).toEqual(['placed', 'expired', 'refunded']);
    expect(shop.did('payments', orderId)).toEqual(['authorized', 'captured', 'refunded']);
    expect(await shop.stockOf(sku)).toEqual(ALL);
    await shop.told(orderId, [
      'Order # expired: it was not paid in time. Anything taken goes back to you.',
      'Order #: EUR 20.00 refunded.',
    ]);
  });

  it('whose stock is found short when it is paid goes back whole', async () => {
    const { orderId, sku } = await place('short');
    // Somebody takes a unit off the shelf that was reserved for it, and writes so.
    await stack.database.pool.query(
      'update aftercommit.inventory set reserved = reserved - 1 where sku = $1',
      [sku],
    );
    await stack.database.pool.query(
      `insert into aftercommit.audit (actor, action, subject, detail) values ('a hand', 'inventory.set', $1, '{"delta": -1}')`,
      [sku],
    );

    const paid = await shop.pay(orderId, { key: 'pay-short', method: 'tok_visa' });

    expect(paid.status).toBe(402);
    await shop.becomes(orderId, { status: 'CANCELLED', payment: { status: 'REFUNDED' } });
    expect(await shop.events(orderId)).toEqual(['placed', 'refunded', 'cancelled']);
    expect(await shop.stockOf(sku)).toEqual({ available: 4, reserved: 0, sold: 0 });
    await shop.told(orderId, ['Order #: EUR 20.00 refunded.', 'Order # cancelled.']);
  });
});

describe('an order that ships', () => {
  it('to an address that the carrier refuses after the capture is undone, last step first', async () => {
    const { orderId, sku } = await place('refused-address', {
      method: 'tok_visa',
      shipping: REFUSED_ADDRESS,
      cartId: 'cart-refused',
    });

    await shop.becomes(orderId, {
      status: 'CANCELLED',
      payment: { status: 'REFUNDED', refundedMinor: 2_000 },
    });

    expect(await shop.events(orderId)).toEqual(['placed', 'confirmed', 'refunded', 'cancelled']);
    expect(shop.did('payments', orderId)).toEqual(['authorized', 'captured', 'refunded']);
    expect(shop.did('carrier', orderId)).toEqual(['booking_refused']);
    expect(await shop.stockOf(sku)).toEqual(ALL);
    await shop.told(orderId, ['Order # confirmed.', 'Order #: EUR 20.00 refunded.', 'Order # cancelled.']);
  });

  it('is cancelled as long as it has not left: shipment, points, cart, money and stock all go back', async () => {
    const { orderId, sku } = await place('before', { ...parcel('before'), method: 'tok_visa' });
    await shop.becomes(orderId, { shipment: { state: 'BOOKED' }, points: { state: 'AWARDED' } });
    await waitFor('the cart is cleared', () => shop.did('cart', orderId).includes('cleared'));

    const cancelled = await shop.cancel(orderId);
    const again = await shop.cancel(orderId);

    expect([cancelled.status, again.status]).toEqual([200, 200]);
    expect(cancelled.body).toMatchObject({ status: 'CANCELLED', payment: { status: 'REFUNDED' } });
    expect(shop.did('carrier', orderId)).toEqual(['booked', 'cancelled']);
    expect(shop.did('points', orderId)).toEqual(['awarded', 'reversed']);
    expect(shop.did('cart', orderId)).toEqual(['cleared', 'restored']);
    expect(shop.did('payments', orderId)).toEqual(['authorized', 'captured', 'refunded']);
    expect(await shop.stockOf(sku)).toEqual(ALL);
    expect(await shop.events(orderId)).toEqual(['placed', 'confirmed', 'refunded', 'cancelled']);
  });

  it('is not cancelled once it has left, whether its webhook has come or not', async () => {
    await controlFake(stack.fakeUrls.carrier, { webhooks: { lose: true } });
    const { orderId, sku } = await place('after', { ...parcel('after'), method: 'tok_visa' });
    await shop.becomes(orderId, { shipment: { state: 'BOOKED' } });
    await shop.track(orderId, 'shipped');

    const tooLate = await shop.cancel(orderId);

    expect(tooLate.status).toBe(409);
    expect(tooLate.body).toMatchObject({ code: 'order_not_cancellable', state: 'SHIPPED' });
    await controlFake(stack.fakeUrls.carrier, { webhooks: {} });
    await shop.track(orderId, 'delivered');
    await shop.becomes(orderId, { status: 'COMPLETED', payment: { status: 'PAID' } });
    expect(await shop.events(orderId)).toEqual(['placed', 'confirmed', 'shipped', 'delivered']);
    expect(await shop.stockOf(sku)).toEqual(SOLD);
    expect((await shop.cancel(orderId)).body).toMatchObject({ state: 'COMPLETED' });
  });
});

it('every invariant holds', async () => {
  const violations = await stack.violations({
    planned: 11,
    attempted: placed,
    succeeded: placed,
    faults: {},
  });

  expect(violations).toEqual([]);
}, 90_000);
