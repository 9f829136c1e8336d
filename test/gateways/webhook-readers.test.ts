import { createHmac } from 'node:crypto';
import { FAKE_WEBHOOK_SECRET } from '../../src/dev/signed-webhooks';
import { signatureHeaders } from '../../src/bus/targets/webhook-signature';
import { createCarrierWebhooks } from '../../src/gateways/carrier-webhooks';
import { createPaymentWebhooks } from '../../src/gateways/payment-webhooks';
import type { SignedRequest } from '../../src/gateways/webhook-signature';

const NOW = new Date('2026-11-21T12:00:00Z');
const OPTIONS = { secrets: [FAKE_WEBHOOK_SECRET], now: () => NOW };

/** A request that is signed as it should be, whatever it says. */
function signed(body: string | Buffer): SignedRequest {
  const timestampSeconds = NOW.getTime() / 1_000;
  if (typeof body === 'string') {
    const secret = { kind: 'webhook_secret', secret: FAKE_WEBHOOK_SECRET, previousSecret: '' } as const;
    const headers = signatureHeaders({ id: 'msg_1', timestampSeconds, body }, secret);
    return { headers: { 'webhook-id': 'msg_1', ...headers }, body };
  }
  const key = Buffer.from(FAKE_WEBHOOK_SECRET.slice('whsec_'.length), 'base64');
  const mac = createHmac('sha256', key).update(`msg_1.${timestampSeconds}.`).update(body).digest('base64');
  return {
    headers: {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': `v1,${mac}`,
    },
    body,
  };
}

const SHIPPED = {
  type: 'shipment.shipped',
  timestamp: '2026-11-21T13:59:00+02:00',
  data: { shipmentId: 'shp_1', trackingId: 'track_1' },
};
const CAPTURED = {
  type: 'payment.captured',
  timestamp: '2026-11-21T11:59:00Z',
  data: {
    paymentId: 'pay_1',
    orderId: 'ord_1',
    authorizationId: 'auth_1',
    captureId: 'cap_1',
    amountMinor: 1999,
    currency: 'EUR',
  },
};

describe.each([
  ['carrier', createCarrierWebhooks(OPTIONS), SHIPPED],
  ['payments', createPaymentWebhooks(OPTIONS), CAPTURED],
])('%s webhooks', (_name, webhooks, good) => {
  it('reads what it needs, with its time in UTC', () => {
    expect(webhooks.read(signed(JSON.stringify(good)))).toEqual({
      kind: 'event',
      event: expect.objectContaining({
        id: 'msg_1',
        type: good.type,
        occurredAt: '2026-11-21T11:59:00.000Z',
      }) as unknown,
    });
  });

  it('reads nothing that was not signed, or was changed', () => {
    const request = signed(JSON.stringify(good));

    const readings = [
      webhooks.read({ ...request, headers: {} }),
      webhooks.read({ ...request, body: `${String(request.body)} ` }),
    ];

    expect(readings).toEqual([
      { kind: 'refused', reason: 'malformed' },
      { kind: 'refused', reason: 'wrong_signature' },
    ]);
  });

  it('ignores a type that it does not need', () => {
    const reading = webhooks.read(signed(JSON.stringify({ ...good, type: 'x'.repeat(500) })));

    expect(reading).toEqual({ kind: 'ignored', id: 'msg_1', type: 'x'.repeat(100) });
  });

  it.each<[string, string | Buffer]>([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['null', 'null'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['no type', JSON.stringify({ ...good, type: undefined })],
    ['a type that is no text', JSON.stringify({ ...good, type: 1 })],
    ['no data', JSON.stringify({ ...good, data: undefined })],
    ['data that is a list', JSON.stringify({ ...good, data: [] })],
    ['no time', JSON.stringify({ ...good, timestamp: undefined })],
    ['a time that is none', JSON.stringify({ ...good, timestamp: 'soon' })],
    ...Object.keys(good.data).map((member): [string, string] => [
      `no ${member}`,
      JSON.stringify({ ...good, data: { ...good.data, [member]: undefined } }),
    ]),
    ...Object.keys(good.data).map((member): [string, string] => [
      `another kind of ${member}`,
      JSON.stringify({ ...good, data: { ...good.data, [member]: {} } }),
    ]),
  ])('refuses %s, signed or not', (_what, body) => {
    expect(webhooks.read(signed(body))).toEqual({ kind: 'refused', reason: 'bad_content' });
  });
});

describe('payment webhooks', () => {
  const webhooks = createPaymentWebhooks(OPTIONS);
  const read = (changes: Record<string, unknown>, type = CAPTURED.type) =>
    webhooks.read(signed(JSON.stringify({ ...CAPTURED, type, data: { ...CAPTURED.data, ...changes } })));

  it.each([0, -1, 1.5, '1999', 2 ** 53])('refuses the amount %j', (amountMinor) => {
    expect(read({ amountMinor })).toEqual({ kind: 'refused', reason: 'bad_content' });
  });

  it('keeps the code of a decline when it looks like one', () => {
    const codes = ['card_declined', 'Card of Ada declined', 7, undefined].map((code) => {
      const reading = read({ code, captureId: undefined }, 'payment.declined');
      return reading.kind === 'event' ? reading.event.code : reading.kind;
    });

    expect(codes).toEqual(['card_declined', null, null, null]);
  });
});
