import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { fromStripeAmount, toStripeAmount } from '../../src/gateways/stripe-money';
import { createStripeWebhooks } from '../../src/gateways/stripe-webhooks';

const SECRET = 'whsec_of_an_endpoint';
const NOW_SECONDS = 1_732_190_400;
const WRONG = `v1=${'0'.repeat(64)}`;

const INTENT = {
  id: 'pi_1',
  object: 'payment_intent',
  amount: 500,
  amount_received: 500,
  created: NOW_SECONDS - 60,
  currency: 'jpy',
  latest_charge: 'ch_1',
  metadata: { payment_id: 'pay_1', order_id: 'ord_1' },
  next_action: null,
  status: 'succeeded',
};
const eventOf = (changes: Record<string, unknown> = {}, intent: Record<string, unknown> = {}): string =>
  JSON.stringify({
    id: 'evt_1',
    object: 'event',
    created: NOW_SECONDS - 30,
    type: 'payment_intent.succeeded',
    data: { object: { ...INTENT, ...intent } },
    ...changes,
  });

const macOf = (body: string, timestamp: string | number = NOW_SECONDS, secret = SECRET): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

function read(
  body: string,
  header: string | string[] | undefined = `t=${NOW_SECONDS},${macOf(body)}`,
  { secrets = [SECRET], lateBySeconds = 0 }: { secrets?: string[]; lateBySeconds?: number } = {},
) {
  const now = () => new Date((NOW_SECONDS + lateBySeconds) * 1_000);
  const headers = header === undefined ? {} : { 'stripe-signature': header };
  return createStripeWebhooks({ secrets, now }).read({ headers, body: Buffer.from(body) });
}

describe('stripe webhooks', () => {
  const body = eventOf();
  const good = macOf(body);

  it('reads a payment in our words and units', () => {
    expect(read(body)).toEqual({
      kind: 'event',
      event: {
        id: 'evt_1',
        type: 'payment.captured',
        occurredAt: new Date((NOW_SECONDS - 30) * 1_000).toISOString(),
        paymentId: 'pay_1',
        orderId: 'ord_1',
        authorizationId: 'pi_1',
        captureId: 'ch_1',
        amountMinor: 500,
        currency: 'JPY',
        code: null,
      },
    });
  });

  it.each([
    ['one secret of two', `t=${NOW_SECONDS},${good}`, ['whsec_new', SECRET]],
    ['a wrong signature before', `t=${NOW_SECONDS},${WRONG},${good}`, [SECRET]],
    ['one of an older scheme', `t=${NOW_SECONDS},v0=abc,${good},v0=def`, [SECRET]],
  ])('accepts %s', (_name, header, secrets) => {
    expect(read(body, header, { secrets }).kind).toBe('event');
  });

  it.each<[string, string | string[] | undefined, string]>([
    ['no header', undefined, 'malformed'],
    ['an empty header', '', 'malformed'],
    ['no time', good, 'malformed'],
    ['two times', `t=${NOW_SECONDS},t=1,${good}`, 'malformed'],
    ['a time that is no number', `t=now,${macOf(body, 'now')}`, 'malformed'],
    ['only an older scheme', `t=${NOW_SECONDS},${good.replace('v1', 'v0')}`, 'malformed'],
    ['the header twice', [`t=${NOW_SECONDS},${good}`, `t=${NOW_SECONDS},${good}`], 'malformed'],
    ['capitals', `t=${NOW_SECONDS},v1=${good.slice(3).toUpperCase()}`, 'malformed'],
    ['a wrong signature', `t=${NOW_SECONDS},${WRONG}`, 'wrong_signature'],
    ['another time', `t=${NOW_SECONDS + 1},${good}`, 'wrong_signature'],
    ['another secret', `t=${NOW_SECONDS},${macOf(body, NOW_SECONDS, 'whsec_other')}`, 'wrong_signature'],
    [
      'a good one behind those that are looked at',
      `t=${NOW_SECONDS},${`${WRONG},`.repeat(19)}${good}`,
      'wrong_signature',
    ],
    ['10,000 signatures', `t=${NOW_SECONDS},${`${WRONG},`.repeat(10_000)}${good}`, 'malformed'],
  ])('refuses %s', (_name, header, reason) => {
    const reading =
      header === undefined
        ? createStripeWebhooks({ secrets: [SECRET], now: () => new Date() }).read({ headers: {}, body })
        : read(body, header);

    expect(reading).toEqual({ kind: 'refused', reason });
  });

  it.each([
    [300, 'event'],
    [301, 'too_old'],
    [-300, 'event'],
    [-301, 'in_the_future'],
  ])('at %i s after it was signed: %s', (lateBySeconds, expected) => {
    const reading = read(body, undefined, { lateBySeconds });

    expect(reading.kind === 'refused' ? reading.reason : reading.kind).toBe(expected);
  });

  it.each<[string, string]>([
    ['another type', eventOf({ type: 'charge.refunded' })],
    ['a type of every object', eventOf({ type: 'constructor' })],
    ['a payment of another integration', eventOf({}, { metadata: {} })],
  ])('ignores %s', (_name, text) => {
    expect(read(text, `t=${NOW_SECONDS},${macOf(text)}`)).toMatchObject({ kind: 'ignored', id: 'evt_1' });
  });

  it.each<[string, string]>([
    ['no id', eventOf({ id: undefined })],
    ['no time', eventOf({ created: '1' })],
    ['a time beyond all', eventOf({ created: 1e15 })],
    ['no object', eventOf({ data: {} })],
    ['another object', eventOf({}, { object: 'charge' })],
    ['an amount that is no number', eventOf({}, { amount: '500' })],
    ['no currency', eventOf({}, { currency: undefined })],
    ['a capture without a charge', eventOf({}, { latest_charge: null })],
    ['no JSON', '{'],
  ])('refuses %s, signed or not', (_name, text) => {
    expect(read(text, `t=${NOW_SECONDS},${macOf(text)}`)).toEqual({ kind: 'refused', reason: 'bad_content' });
  });

  it.each([
    [{ code: 'card_declined', decline_code: 'insufficient_funds' }, 'insufficient_funds'],
    [{ code: 'card_declined', decline_code: 'generic_decline' }, 'card_declined'],
    [{ code: 'Your card, Ada!' }, null],
    [null, null],
  ])('tells why a payment failed (%j)', (error, code) => {
    const text = eventOf(
      { type: 'payment_intent.payment_failed' },
      { last_payment_error: error, status: 'requires_payment_method' },
    );

    expect(read(text, `t=${NOW_SECONDS},${macOf(text)}`)).toMatchObject({
      event: { type: 'payment.declined', code, captureId: null },
    });
  });

  it.each([[[]], [['']], [[SECRET, '']]])('takes no secrets with which anybody could sign: %j', (secrets) => {
    expect(() => createStripeWebhooks({ secrets, now: () => new Date() })).toThrow(RangeError);
  });
});

describe('money at stripe', () => {
  it('comes back as it went, whatever the currency', () => {
    const currency = fc.constantFrom('EUR', 'USD', 'JPY', 'ISK', 'UGX', 'MGA', 'KWD', 'HUF', 'TWD', 'CLP');
    fc.assert(
      fc.property(currency, fc.integer({ min: 1, max: 1e12 }), (code, amountMinor) => {
        const amount = toStripeAmount(amountMinor, code);

        if (amount === null) expect(['MGA', 'KWD']).toContain(code);
        else expect(fromStripeAmount(amount, code)).toBe(amountMinor);
      }),
    );
  });

  it.each([
    ['ISK', 550],
    ['UGX', 1],
  ])('is not read when Stripe says what cannot be (%s %i)', (currency, amount) => {
    expect(fromStripeAmount(amount, currency)).toBeNull();
  });
});
