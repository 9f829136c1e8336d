import type { FakeServer } from '../../src/dev/fake-server';
import { startFakePayments } from '../../src/dev/fake-payments';
import { controlFake, evidenceOf, eventually, temporaryLog } from './fake-control';

interface Reply {
  status: number;
  replayed: boolean;
  body: Record<string, unknown> & { error?: { code: string } };
}

const MONEY = { amountMinor: 1000, currency: 'EUR' };

describe('fake payments', () => {
  const log = temporaryLog();
  let fake: FakeServer;
  let count = 0;

  beforeAll(async () => {
    fake = await startFakePayments({ port: 0, logFile: log.logFile });
  });
  afterEach(async () => {
    await controlFake(fake.url, { reset: true });
  });
  afterAll(async () => {
    await fake.close();
    log.remove();
  });

  const post = async (path: string, key: string | null, body: unknown): Promise<Reply> => {
    const response = await fetch(`${fake.url}/v1/${path}`, {
      method: 'POST',
      headers: key === null ? {} : { 'idempotency-key': key },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return {
      status: response.status,
      replayed: response.headers.get('idempotent-replayed') === 'true',
      body: (await response.json()) as Reply['body'],
    };
  };
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${fake.url}/v1/${path}`)).json()) as Record<string, unknown>;
  const newPayment = (method = 'tok_visa') => {
    count += 1;
    return { paymentId: `pay_${count}`, orderId: `ord_${count}`, ...MONEY, method };
  };
  const newKey = (): string => `key_${(count += 1)}`;
  const authorizationOf = async (method?: string): Promise<string> => {
    const reply = await post('authorizations', newKey(), newPayment(method));
    return reply.body['id'] as string;
  };
  const captureOf = async (): Promise<string> => {
    const reply = await post(`authorizations/${await authorizationOf()}/capture`, newKey(), MONEY);
    return reply.body['id'] as string;
  };

  it('replays the first answer of a key, whatever the order of members', async () => {
    const payment = newPayment();
    const reordered = Object.fromEntries(Object.entries(payment).reverse());

    const first = await post('authorizations', 'k1', payment);
    const second = await post('authorizations', 'k1', reordered);

    expect(first).toMatchObject({ status: 200, replayed: false, body: { status: 'authorized', ...MONEY } });
    expect(second).toEqual({ ...first, replayed: true });
    expect(JSON.stringify(first.body)).not.toContain('tok_');
  });

  it('refuses a key for another body or another path', async () => {
    const payment = newPayment();
    const { body } = await post('authorizations', 'k2', payment);

    const otherBody = await post('authorizations', 'k2', { ...payment, amountMinor: 1 });
    const otherPath = await post(`authorizations/${body['id'] as string}/capture`, 'k2', MONEY);

    expect(otherBody).toMatchObject({ status: 422, body: { error: { code: 'idempotency_key_reused' } } });
    expect(otherPath).toMatchObject({ status: 422, body: { error: { code: 'idempotency_key_reused' } } });
  });

  it('wants a key for what changes something', async () => {
    const reply = await post('authorizations', null, newPayment());

    expect(reply).toMatchObject({ status: 400, body: { error: { code: 'idempotency_key_missing' } } });
  });

  it.each([
    { amountMinor: 10.5 },
    { amountMinor: -1 },
    { amountMinor: 0 },
    { amountMinor: '10' },
    { amountMinor: 2 ** 53 },
    { currency: 'eur' },
    { paymentId: '' },
    { extra: 1 },
  ])('refuses %j with 422 and stores nothing under the key', async (changes) => {
    const key = newKey();
    const payment = newPayment();

    expect(await post('authorizations', key, { ...payment, ...changes })).toMatchObject({ status: 422 });
    expect(await post('authorizations', key, payment)).toMatchObject({ status: 200, replayed: false });
  });

  it('refuses what is no JSON and what has no path', async () => {
    expect(await post('authorizations', newKey(), '{')).toMatchObject({ status: 422 });
    expect(await post('nothing', newKey(), {})).toMatchObject({ status: 404 });
    expect(await post('captures/cap_1/other', newKey(), {})).toMatchObject({ status: 404 });
  });

  it('stores a 500 like any answer', async () => {
    const payment = newPayment('tok_error');

    const first = await post('authorizations', 'k3', payment);
    const second = await post('authorizations', 'k3', payment);

    expect(first).toMatchObject({ status: 500, replayed: false });
    expect(second).toMatchObject({ status: 500, replayed: true });
  });

  it('says that a key is in use while its first request runs, then replays', async () => {
    await controlFake(fake.url, { lateMs: 1_500 });
    const payment = newPayment('tok_timeout_then_success');

    const first = post('authorizations', 'k4', payment);
    await eventually(async () => {
      const found = await get(`authorizations?paymentId=${payment.paymentId}`);
      return (found['data'] as unknown[]).length === 1;
    });
    const meanwhile = await post('authorizations', 'k4', payment);
    const otherBody = await post('authorizations', 'k4', { ...payment, amountMinor: 1 });

    expect(meanwhile).toMatchObject({ status: 409, body: { error: { code: 'idempotency_key_in_use' } } });
    expect(otherBody).toMatchObject({ status: 422 });
    expect(await post('authorizations', 'k4', payment)).toMatchObject({ status: 409 });
    const answered = await first;
    expect(answered).toMatchObject({ status: 200, replayed: false });
    expect(await post('authorizations', 'k4', payment)).toEqual({ ...answered, replayed: true });
  });

  it('captures once under 50 captures at once, each with a key of its own', async () => {
    const id = await authorizationOf();

    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, n) => post(`authorizations/${id}/capture`, `c50_${n}`, MONEY)),
    );

    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ body }) => body.error?.code === 'already_captured')).toHaveLength(49);
    const facts = (await evidenceOf(fake.url, 'captured')).filter((fact) => fact['authorizationId'] === id);
    expect(facts).toMatchObject([{ ...MONEY, idempotencyKey: expect.stringMatching(/^c50_/) as string }]);
  });

  it('lets one of a capture and a void win, never both', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => authorizationOf()));

    await Promise.all(
      ids.flatMap((id, n) => {
        const capture = () => post(`authorizations/${id}/capture`, `race_c_${n}`, MONEY);
        const undo = () => post(`authorizations/${id}/void`, `race_v_${n}`, {});
        return n % 2 === 0 ? [capture(), undo()] : [undo(), capture()];
      }),
    );

    const facts = (await evidenceOf(fake.url)).filter(({ type }) => type === 'captured' || type === 'voided');
    for (const id of ids) {
      expect(facts.filter((fact) => fact['authorizationId'] === id)).toHaveLength(1);
    }
  });

  it('refunds no more than captured under 50 refunds at once', async () => {
    const captureId = await captureOf();

    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        post(`captures/${captureId}/refunds`, `r50_${n}`, {
          refundId: `ref_${n}`,
          amountMinor: 300,
          currency: 'EUR',
        }),
      ),
    );

    expect(replies.filter(({ status }) => status === 200)).toHaveLength(3);
    const facts = (await evidenceOf(fake.url, 'refunded')).filter((fact) => fact['captureId'] === captureId);
    expect(facts.reduce((sum, fact) => sum + (fact['amountMinor'] as number), 0)).toBe(900);
  });

  it('writes one fact for each change, with its ids and key', async () => {
    const payment = newPayment();
    const { body } = await post('authorizations', 'f1', payment);
    const id = body['id'] as string;
    const captured = await post(`authorizations/${id}/capture`, 'f2', MONEY);
    const refund = { refundId: 'ref_f', amountMinor: 400, currency: 'EUR' };
    await post(`captures/${captured.body['id'] as string}/refunds`, 'f3', refund);
    await post(`captures/${captured.body['id'] as string}/refunds`, 'f3', refund);

    const facts = (await evidenceOf(fake.url)).filter((fact) => fact['orderId'] === payment.orderId);

    const ids = {
      authorizationId: id,
      paymentId: payment.paymentId,
      orderId: payment.orderId,
      currency: 'EUR',
    };
    expect(facts).toMatchObject([
      { type: 'authorized', ...ids, amountMinor: 1000, idempotencyKey: 'f1' },
      { type: 'captured', ...ids, amountMinor: 1000, idempotencyKey: 'f2', captureId: captured.body['id'] },
      { type: 'refunded', ...ids, amountMinor: 400, idempotencyKey: 'f3', refundId: 'ref_f' },
    ]);
  });

  it('knows money, answers and burnt keys after a restart', async () => {
    const payment = newPayment();
    const first = await post('authorizations', 'k5', payment);
    const path = `authorizations/${first.body['id'] as string}`;
    const captured = await post(`${path}/capture`, 'k6', MONEY);
    const refunds = `captures/${captured.body['id'] as string}/refunds`;
    await post(refunds, 'k7', { refundId: 'ref_7', amountMinor: 700, currency: 'EUR' });
    const declined = await post('authorizations', 'k8', newPayment('tok_declined'));
    const before = await get(path);

    await fake.close();
    fake = await startFakePayments({ port: 0, logFile: log.logFile });

    expect(await get(path)).toEqual(before);
    expect(await post('authorizations', 'k5', payment)).toEqual({ ...first, replayed: true });
    expect(await post(`${path}/capture`, 'k6', MONEY)).toEqual({ ...captured, replayed: true });
    expect(await post(`${path}/void`, 'k9', {})).toMatchObject({ status: 409 });
    expect(
      await post(refunds, 'k10', { refundId: 'ref_8', amountMinor: 301, currency: 'EUR' }),
    ).toMatchObject({
      status: 409,
      body: { error: { code: 'refund_exceeds_captured' } },
    });
    expect(declined).toMatchObject({ status: 402, body: { error: { code: 'card_declined' } } });
  });

  it('hits a planned fault only where it was aimed', async () => {
    const aimed = newPayment();
    await controlFake(fake.url, {
      faults: [{ operation: 'authorize', action: '500_before', match: { paymentId: aimed.paymentId } }],
    });

    expect(await post('authorizations', 'a1', newPayment())).toMatchObject({ status: 200 });
    expect(await post('authorizations', 'a2', aimed)).toMatchObject({ status: 500, replayed: false });
    expect(await post('authorizations', 'a2', aimed)).toMatchObject({ status: 200, replayed: false });
    expect(await evidenceOf(fake.url, 'fault')).toHaveLength(1);
  });
});
