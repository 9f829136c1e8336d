import {
  assertMayBecome,
  availableOf,
  hasTerms,
  underTerms,
  visibleStateOf,
  type Sale,
} from '../../src/domain/sales';
import type { AppError } from '../../src/errors';

const AT = '2026-11-27T08:00:00.000Z';
const LATER = '2026-11-27T09:00:00.000Z';
const LATEST = '2026-11-27T10:00:00.000Z';
const BEFORE = '2026-11-27T07:00:00.000Z';

const SALE: Sale = {
  saleId: 'friday',
  sku: 'SKU-1',
  quantity: 100,
  opensAt: null,
  closesAt: LATER,
  perCustomer: 1,
  paymentDeadlineSeconds: 600,
  state: 'OPEN',
  reserved: 10,
  sold: 20,
};

function refusal(terms: Partial<Sale>, before: Sale | null, inStock = 1_000): AppError | null {
  try {
    assertMayBecome({ ...SALE, ...terms }, before, { at: AT, inStock });
    return null;
  } catch (error) {
    return error as AppError;
  }
}

describe('the state that callers see', () => {
  it.each([
    ['SCHEDULED', { state: 'SCHEDULED', closesAt: LATER, available: 5 }, 'SCHEDULED'],
    ['open with units left', { state: 'OPEN', closesAt: LATER, available: 5 }, 'OPEN'],
    ['open without an end', { state: 'OPEN', closesAt: null, available: 5 }, 'OPEN'],
    ['open with nothing left', { state: 'OPEN', closesAt: LATER, available: 0 }, 'SOLD_OUT'],
    ['open past its end', { state: 'OPEN', closesAt: AT, available: 5 }, 'CLOSED'],
    ['closed with units left', { state: 'CLOSED', closesAt: BEFORE, available: 5 }, 'CLOSED'],
  ] as const)('of one that is %s', (_what, sale, expected) => {
    expect(visibleStateOf(sale, AT)).toBe(expected);
  });

  it('has no more units than the cap leaves and than are in stock', () => {
    expect(availableOf(SALE, 1_000)).toBe(70);
    expect(availableOf(SALE, 7)).toBe(7);
  });
});

describe('a new sale', () => {
  it('may offer what is free, and no unit more', () => {
    expect(refusal({ quantity: 100 }, null, 100)).toBeNull();
    expect(refusal({ quantity: 101 }, null, 100)).toMatchObject({
      code: 'quantity_above_stock',
      fields: [{ pointer: '/quantity', message: 'at most 100' }],
    });
  });

  it.each([
    ['ends before it opens', { opensAt: LATEST, closesAt: LATER }],
    ['ends when it opens', { opensAt: LATER, closesAt: LATER }],
    ['is over already', { closesAt: BEFORE }],
    ['is over now', { closesAt: AT }],
  ])('is refused when its window %s', (_what, terms) => {
    expect(refusal(terms, null)).toMatchObject({
      code: 'invalid_value',
      fields: [{ pointer: '/closesAt' }],
    });
  });
});

describe('a sale that is there', () => {
  it.each([
    ['is closed', { perCustomer: 2 }, { ...SALE, state: 'CLOSED' as const }],
    ['is of another SKU', { sku: 'SKU-2' }, SALE],
    ['would have less than is taken', { quantity: 29 }, SALE],
    ['is open and would open later', { opensAt: LATER, closesAt: LATEST }, SALE],
  ])('cannot be changed when it %s', (_what, terms, before) => {
    expect(refusal(terms, before)).toMatchObject({
      code: 'conflicting_state',
      extensions: { state: before.state },
    });
  });

  it('may have exactly what is taken of it, and more as far as there is stock', () => {
    expect(refusal({ quantity: 30 }, SALE, 0)).toBeNull();
    expect(refusal({ quantity: 130 }, SALE, 100)).toBeNull();
    expect(refusal({ quantity: 131 }, SALE, 100)).toMatchObject({ code: 'quantity_above_stock' });
  });

  it('keeps its quantity though others bought the stock meanwhile', () => {
    expect(refusal({ perCustomer: 2 }, SALE, 0)).toBeNull();
  });

  it('knows terms that change nothing', () => {
    expect(hasTerms(SALE, { ...SALE })).toBe(true);
    expect(hasTerms(SALE, { ...SALE, perCustomer: null })).toBe(false);
  });
});

describe('the payment deadline of an order', () => {
  const request = (payment: Parameters<typeof underTerms>[0]['payment']) => ({
    customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'] },
    lines: [{ sku: 'SKU-1', quantity: 1, unitPriceMinor: 1 }],
    currency: 'EUR',
    payment,
  });

  it.each([
    ['its own when that is sooner', 60, 600, 60],
    ["the sale's when its own is later", 900, 600, 600],
    ["the sale's when it says none", undefined, 1_800, 1_800],
    ['its own when the sale says none', 60, null, 60],
  ])('is %s', (_what, deadlineSeconds, paymentDeadlineSeconds, expected) => {
    const order = underTerms(request({ mode: 'wait', deadlineSeconds }), { paymentDeadlineSeconds });

    expect(order.payment.deadlineSeconds).toBe(expected);
  });

  it('is none for an order that does not wait', () => {
    const order = request({ mode: 'charge', method: 'tok_visa' });

    expect(underTerms(order, { paymentDeadlineSeconds: 600 })).toEqual(order);
  });
});
