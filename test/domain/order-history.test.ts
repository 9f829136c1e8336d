import { orderAsOf, type OrderEvent } from '../../src/domain/order-history';

const facts = {
  orderId: 'ord_1',
  customerId: 'cus_1',
  lines: [{ sku: 'SKU-1', quantity: 2, unitPriceMinor: 1_000 }],
  totalMinor: 2_000,
  currency: 'EUR',
};

/** Events of an order a minute apart, from 10:01 on. */
function told(...events: [type: string, detail?: Record<string, unknown>][]): OrderEvent[] {
  return events.map(([type, detail = {}], index) => ({
    type,
    seq: index + 1,
    time: minute(index + 1),
    detail: { ...facts, paymentMode: 'charge', ...detail },
  }));
}

function minute(n: number): string {
  return `2026-11-21T10:${String(n).padStart(2, '0')}:00.000Z`;
}

const LIFE = told(
  ['order.placed'],
  ['order.confirmed', { capturedMinor: 2_000 }],
  ['order.shipped', { trackingId: 'T1' }],
  ['order.delivered', { trackingId: 'T1' }],
  [
    'order.refunded',
    { amountMinor: 500, paymentStatus: 'PARTIALLY_REFUNDED', capturedMinor: 2_000, refundedMinor: 500 },
  ],
);

describe('an order as of a time', () => {
  it.each([
    [1, 'PENDING_PAYMENT', 'PENDING', 0, 0],
    [2, 'CONFIRMED', 'PAID', 2_000, 0],
    [3, 'SHIPPED', 'PAID', 2_000, 0],
    [4, 'COMPLETED', 'PAID', 2_000, 0],
    [5, 'COMPLETED', 'PARTIALLY_REFUNDED', 2_000, 500],
  ])('after event %d is %s and %s', (seq, status, paymentStatus, capturedMinor, refundedMinor) => {
    const order = orderAsOf(LIFE, minute(seq));

    expect(order).toEqual({
      ...facts,
      asOf: minute(seq),
      seq,
      status,
      payment: { mode: 'charge', status: paymentStatus, capturedMinor, refundedMinor, errorCode: null },
      shipment: seq < 3 ? null : { state: seq < 4 ? 'SHIPPED' : 'DELIVERED', trackingId: 'T1' },
      createdAt: minute(1),
      updatedAt: minute(seq),
    });
  });

  it('is nothing before its first event, and as now at a time to come', () => {
    expect(orderAsOf(LIFE, '2026-11-21T10:00:59.999Z')).toBeNull();
    expect(orderAsOf([], minute(1))).toBeNull();
    expect(orderAsOf(LIFE, '2999-01-01T00:00:00.000Z')).toMatchObject({ seq: 5, status: 'COMPLETED' });
  });

  it('is nothing once its first events are not kept any more: half of a story is not told', () => {
    expect(orderAsOf(LIFE.slice(1), minute(5))).toBeNull();
  });

  it('goes by the numbers of its events when clocks disagree, so that it is always a state that was', () => {
    const [first, second, third] = LIFE as [OrderEvent, OrderEvent, OrderEvent];
    const skewed = [first, { ...second, time: minute(9) }, third];

    expect(orderAsOf(skewed, minute(5))).toMatchObject({ seq: 1, status: 'PENDING_PAYMENT' });
    expect(orderAsOf(skewed, minute(9))).toMatchObject({ seq: 3, status: 'SHIPPED' });
  });

  it.each([
    ['order.cancelled', 'CANCELLED', null],
    ['order.expired', 'EXPIRED', null],
    ['order.payment_failed', 'FAILED', 'card_declined'],
  ])('after %s is %s, and no payment is waited for any more', (type, status, errorCode) => {
    const events = told(['order.placed'], [type, { code: 'card_declined' }]);

    expect(orderAsOf(events, minute(2))).toMatchObject({ status, payment: { status: 'FAILED', errorCode } });
  });

  it('goes on waiting after a payment that another one may replace', () => {
    const events = told(
      ['order.placed', { paymentMode: 'wait' }],
      ['order.payment_failed', { code: 'card_declined', status: 'PENDING_PAYMENT' }],
    );

    expect(orderAsOf(events, minute(2))).toMatchObject({
      status: 'PENDING_PAYMENT',
      payment: { mode: 'wait', status: 'PENDING', errorCode: 'card_declined' },
    });
  });

  it('does not count the refund of a payment that came late', () => {
    const events = told(
      ['order.placed'],
      ['order.confirmed', { capturedMinor: 2_000 }],
      [
        'order.refunded',
        { amountMinor: 2_000, paymentStatus: 'PAID', capturedMinor: 2_000, refundedMinor: 0 },
      ],
    );

    expect(orderAsOf(events, minute(3))!.payment).toMatchObject({ status: 'PAID', refundedMinor: 0 });
  });

  it('adds up refunds whose events reconciliation had to write anew', () => {
    const events = told(
      ['order.placed'],
      ['order.confirmed', { capturedMinor: 2_000 }],
      ['order.refunded', { amountMinor: 500 }],
      ['order.refunded', { amountMinor: 1_500 }],
    );

    expect(orderAsOf(events, minute(3))!.payment).toMatchObject({
      status: 'PARTIALLY_REFUNDED',
      refundedMinor: 500,
    });
    expect(orderAsOf(events, minute(4))!.payment).toMatchObject({ status: 'REFUNDED', refundedMinor: 2_000 });
  });

  it('needs no payment where there is none to make, and counts events that it does not know', () => {
    const events = told(['order.confirmed', { paymentMode: 'none' }], ['order.gift_wrapped']);

    expect(orderAsOf(events, minute(2))).toMatchObject({
      seq: 2,
      status: 'CONFIRMED',
      payment: { mode: 'none', status: 'NONE', capturedMinor: 0 },
      updatedAt: minute(2),
    });
  });
});
