import { createDecisions } from '../../src/domain/decisions';
import type { OrderRequest } from '../../src/domain/orders';

const body: OrderRequest = {
  customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'] },
  lines: [{ sku: 'SKU-1', quantity: 1, unitPriceMinor: 100 }],
  currency: 'EUR',
  payment: { mode: 'none' },
};
const request = { caller: 'shop', body };

describe('a decision that somebody expects', () => {
  it('is heard, with the answer that was stored with it', async () => {
    const decisions = createDecisions();
    const expected = decisions.expect('order-1', request);

    decisions.decided('order-1', { status: 201, body: '{}' });

    await expect(expected.answer).resolves.toEqual({ status: 201, body: '{}' });
  });

  it('is heard without an answer when the receipt has to be read', async () => {
    const decisions = createDecisions();
    const expected = decisions.expect('order-1', request);

    decisions.decided('order-1', null);

    await expect(expected.answer).resolves.toBeNull();
  });

  it('brings the request to the commit, until nobody waits any longer', () => {
    const decisions = createDecisions();
    const expected = decisions.expect('order-1', request);

    expect(decisions.requestOf('order-1')).toBe(request);
    expected.forget();

    expect(decisions.requestOf('order-1')).toBeNull();
  });

  it('stays expected by the last one who asked when an earlier one goes away', async () => {
    const decisions = createDecisions();
    const first = decisions.expect('order-1', request);
    const second = decisions.expect('order-1', request);

    first.forget();
    decisions.decided('order-1', null);

    await expect(second.answer).resolves.toBeNull();
  });
});

it('a decision that nobody expects is nothing to anybody', () => {
  const decisions = createDecisions();

  decisions.decided('order-1', null);

  expect(decisions.requestOf('order-1')).toBeNull();
});
