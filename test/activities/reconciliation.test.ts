import { compareShipment } from '../../src/activities/reconciliation-carrier';
import { concurrently } from '../../src/activities/concurrently';
import { compare } from '../../src/activities/reconciliation-payments';
import type { KnownPayment } from '../../src/database/reconciliation-candidates';
import type { ListedAuthorization } from '../../src/gateways/payments';

const NOW = new Date('2026-11-21T12:00:00.000Z');
const LONG_AGO = '2026-11-21T08:00:00.000Z';

const theirs: ListedAuthorization = {
  authorizationId: 'auth',
  paymentId: 'pay',
  orderId: 'order',
  status: 'captured',
  amountMinor: 2000,
  currency: 'EUR',
  captureId: 'cap',
  refunds: [],
  createdAt: LONG_AGO,
};
const ours: KnownPayment = {
  paymentId: 'pay',
  orderId: 'order',
  orderStatus: 'CONFIRMED',
  state: 'CAPTURED',
  isUndone: false,
  amountMinor: 2000,
  capturedMinor: 2000,
  currency: 'EUR',
  authorizationId: 'auth',
  captureId: 'cap',
  keyNumber: 1,
  updatedAt: LONG_AGO,
  refunds: [],
};
const refundOf = (state: 'DONE' | 'PENDING' | 'FAILED') => ({
  refundId: 'r',
  state,
  amountMinor: 300,
  updatedAt: LONG_AGO,
});
const made = { refundId: 'r', gatewayRefundId: 're', amountMinor: 300 };

const found = (at: Partial<ListedAuthorization>, known: Partial<KnownPayment> | null = {}): string[] =>
  compare({ ...theirs, ...at }, known === null ? null : { ...ours, ...known }, NOW).map(
    ({ detector, subject }) => `${detector} ${subject}`,
  );

describe('money at the gateway and here', () => {
  it.each<[string, Partial<ListedAuthorization>, Partial<KnownPayment> | null, string[]]>([
    ['the same', {}, {}, []],
    ['the same, partly refunded', { refunds: [made] }, { refunds: [refundOf('DONE')] }, []],
    ['a refund whose answer was lost', { refunds: [made] }, { refunds: [refundOf('PENDING')] }, []],
    ['a capture that nobody knows', {}, null, ['unknown_capture capture:cap']],
    ['… that went back already', { refunds: [{ ...made, amountMinor: 2000 }] }, null, []],
    ['… that is a minute old', { createdAt: '2026-11-21T11:59:00.000Z' }, null, []],
    ['an open authorization that nobody knows', { status: 'authorized', captureId: null }, null, []],
    [
      'a capture that is not noted here',
      {},
      { state: 'AUTHORIZED', capturedMinor: 0, captureId: null },
      ['unrecorded_capture payment:pay'],
    ],
    [
      '… while its payment is being worked on',
      {},
      { state: 'AUTHORIZED', updatedAt: '2026-11-21T11:59:00.000Z' },
      [],
    ],
    ['a second capture', { captureId: 'cap2' }, {}, ['doubled_capture capture:cap2']],
    ['another amount', { amountMinor: 2001 }, {}, ['capture_mismatch capture:cap']],
    ['another currency', { currency: 'USD' }, {}, ['capture_mismatch capture:cap']],
    ['a capture that never was', { status: 'voided', captureId: null }, {}, ['missing_capture payment:pay']],
    ['a refund that nobody knows', { refunds: [made] }, {}, ['unknown_refund refund:re']],
    [
      'a refund that was given up here and made there',
      { refunds: [made] },
      { refunds: [refundOf('FAILED')] },
      ['unknown_refund refund:re'],
    ],
    ['a refund that was made here only', {}, { refunds: [refundOf('DONE')] }, ['missing_refund refund:r']],
    [
      'an authorization of a payment that was given up',
      { status: 'authorized', captureId: null },
      { state: 'FAILED', capturedMinor: 0, captureId: null },
      ['leftover_authorization authorization:auth'],
    ],
    [
      '… of one that waits for its customer',
      { status: 'requires_action', captureId: null },
      { state: 'REQUIRES_ACTION', orderStatus: 'PENDING_PAYMENT', capturedMinor: 0, captureId: null },
      [],
    ],
  ])('%s', (_what, at, known, expected) => {
    expect(found(at, known)).toEqual(expected);
  });
});

describe('goods at the carrier and here', () => {
  const shipment = (status: 'booked' | 'shipped' | 'delivered' | 'returned' | 'cancelled') => ({
    shipmentId: 's',
    orderId: 'o',
    trackingId: 't',
    status,
  });
  it.each([
    ['BOOKED', 'booked', []],
    ['SHIPPED', 'booked', []],
    ['SHIPPED', 'shipped', []],
    ['BOOKED', 'shipped', ['shipment_behind']],
    ['SHIPPED', 'delivered', ['shipment_behind']],
    ['SHIPPED', 'returned', ['shipment_behind']],
    ['BOOKED', 'cancelled', ['missing_shipment']],
    ['BOOKED', null, ['missing_shipment']],
    ['CANCELLED', null, []],
    ['CANCELLED', 'cancelled', []],
    ['CANCELLED', 'booked', ['shipment_not_cancelled']],
    ['CANCELLED', 'delivered', ['shipment_not_cancelled']],
  ] as const)('%s here and %s there', (state, status, expected) => {
    const known = { shipmentId: 's', orderId: 'o', state };

    const findings = compareShipment(known, status === null ? null : shipment(status));

    expect(findings.map(({ detector }) => detector)).toEqual(expected);
  });
});

describe('concurrently', () => {
  it('keeps the order of the results and the limit', async () => {
    let [running, most] = [0, 0];

    const results = await concurrently([3, 1, 2, 5, 4], 2, async (n) => {
      most = Math.max(most, (running += 1));
      for (let turn = 0; turn < n; turn += 1) await Promise.resolve();
      running -= 1;
      return n * 10;
    });

    expect({ results, most }).toEqual({ results: [30, 10, 20, 50, 40], most: 2 });
  });

  it('begins nothing more after a failure, and tells it', async () => {
    const begun: number[] = [];

    const failing = concurrently([1, 2, 3, 4], 1, (n) => {
      begun.push(n);
      return n === 2 ? Promise.reject(new Error('second')) : Promise.resolve();
    });

    await expect(failing).rejects.toThrow('second');
    expect(begun).toEqual([1, 2]);
  });
});
