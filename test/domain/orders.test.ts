import fc from 'fast-check';
import {
  committedView,
  isTerminal,
  isUndone,
  orderDetail,
  orderSummary,
  totalMinor,
  workflowPage,
} from '../../src/domain/orders';
import { envelopeText } from '../../src/domain/events';

const lines = [
  { sku: 'SKU-1', quantity: 2, unitPriceMinor: 999 },
  { sku: 'SKU-2', quantity: 1, unitPriceMinor: 3992 },
];
const request = {
  customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'] },
  lines,
  currency: 'EUR',
  payment: { mode: 'none' as const },
};

describe('an order', () => {
  it('is summed up for the Web UI without personal data', () => {
    expect(orderSummary({ lines, currency: 'EUR' })).toBe('2 lines, EUR 59.90');
    expect(orderSummary({ lines: lines.slice(0, 1), currency: 'EUR' })).toBe('1 line, EUR 19.98');
  });

  it('sums to the same total in whatever order its lines are', () => {
    const line = fc.record({
      sku: fc.string(),
      quantity: fc.integer({ min: 1, max: 1_000_000 }),
      unitPriceMinor: fc.integer({ min: 0, max: 1_000 }),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (some) => {
        expect(totalMinor([...some].reverse())).toBe(totalMinor(some));
      }),
    );
  });

  it.each(['none', 'charge'] as const)(
    'shows nobody a phone number after a commit with payment %s',
    (mode) => {
      const view = committedView({
        orderId: '11111111-1111-5111-8111-111111111111',
        request: { ...request, payment: { mode, method: 'tok_secret' } },
        at: '2026-01-02T03:04:05.678Z',
        places: { temporalUiUrl: 'http://127.0.0.1:8233', namespace: 'default' },
      });

      expect(JSON.stringify(view)).not.toMatch(/\+14155550100|tok_secret/);
      expect(view.status).toBe(mode === 'none' ? 'CONFIRMED' : 'PENDING_PAYMENT');
    },
  );

  it('has a page in the Web UI under its escaped id', () => {
    const page = workflowPage('order/1', { temporalUiUrl: 'http://ui', namespace: 'my space' });

    expect(page).toBe('http://ui/namespaces/my%20space/workflows/order%2F1');
    expect(workflowPage('order/1', { temporalUiUrl: null, namespace: 'default' })).toBeNull();
  });

  it.each([
    ['CONFIRMED', true],
    ['CANCELLED', true],
    ['FAILED', true],
    ['PENDING_PAYMENT', false],
    ['COMPENSATING', false],
  ] as const)('%s is terminal: %p', (status, terminal) => expect(isTerminal(status)).toBe(terminal));

  it.each([
    ['CANCELLED', true],
    ['EXPIRED', true],
    ['FAILED', true],
    ['COMPENSATING', false],
    ['CONFIRMED', false],
    ['REJECTED', false],
  ] as const)('%s has ended without a sale: %p', (status, undone) => expect(isUndone(status)).toBe(undone));

  it('gives its events no personal data and always the same bytes', () => {
    const detail = orderDetail({
      orderId: 'o',
      customerId: 'cus_1',
      lines,
      currency: 'EUR',
      paymentMode: 'none',
    });
    const event = {
      id: 'e',
      source: 's',
      'detail-type': 't',
      time: 'now',
      detail: { orderId: 'o', seq: 1, ...detail },
    };

    expect(envelopeText(event)).toBe(envelopeText(JSON.parse(envelopeText(event)) as typeof event));
    expect(envelopeText(event)).not.toContain('phone');
  });
});
