import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FakeServer } from '../../src/dev/fake-server';
import { startFakePayments } from '../../src/dev/fake-payments';
import { GatewayMismatchError, GatewayUnavailableError } from '../../src/errors';
import { createHttpPaymentGateway } from '../../src/gateways/http-payments';
import type { AuthorizeRequest, PaymentGateway } from '../../src/gateways/payments';
import { describePaymentGatewayContract } from '../contract/payment-gateway';
import { controlFake, eventually, evidenceOf, temporaryLog } from '../dev/fake-control';

/** Short, so that the tests of silence are; far above what loopback needs. */
const TIMEOUT_MS = 1_000;

async function actAsCustomer(url: string, authorizationId: string, isApproved: boolean): Promise<void> {
  const body = JSON.stringify({ outcome: isApproved ? 'approve' : 'refuse' });
  const response = await fetch(`${url}/_customer/${authorizationId}`, { method: 'POST', body });
  if (!response.ok) throw new Error(await response.text());
}

describePaymentGatewayContract('http', async () => {
  const log = temporaryLog();
  const fake = await startFakePayments({ port: 0, logFile: log.logFile });
  return {
    gateway: createHttpPaymentGateway({ baseUrl: fake.url, timeoutMs: TIMEOUT_MS }),
    act: (authorizationId, isApproved) => actAsCustomer(fake.url, authorizationId, isApproved),
    forgetKeys: async () => {
      await controlFake(fake.url, { forgetKeys: true });
    },
    stop: async () => {
      await fake.close();
      log.remove();
    },
  };
});

describe('http payments when the gateway misbehaves', () => {
  const log = temporaryLog();
  let fake: FakeServer;
  let gateway: PaymentGateway;
  let count = 0;

  /** A payment of its own for each test, so that they share one fake. */
  const newRequest = (method = 'tok_visa'): AuthorizeRequest => {
    count += 1;
    return {
      idempotencyKey: `pay:pay_${count}:1:authorize`,
      paymentId: `pay_${count}`,
      orderId: `ord_${count}`,
      amountMinor: 1999,
      currency: 'EUR',
      method,
    };
  };
  const authorize = async (request: AuthorizeRequest): Promise<string> => {
    const result = await gateway.authorize(request);
    return 'authorizationId' in result ? result.authorizationId : '';
  };
  const plan = (fault: Record<string, unknown>): Promise<unknown> =>
    controlFake(fake.url, { faults: [fault] });
  const failureOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

  beforeAll(async () => {
    fake = await startFakePayments({ port: 0, logFile: log.logFile });
    gateway = createHttpPaymentGateway({ baseUrl: `${fake.url}/`, timeoutMs: TIMEOUT_MS });
  });
  afterEach(async () => {
    await controlFake(fake.url, { reset: true });
  });
  afterAll(async () => {
    await gateway.close();
    await fake.close();
    log.remove();
  });

  it.each(['500_before', 'cut_before', 'timeout_after', 'cut_after', '429'])(
    '%s: says that the outcome is unknown, and the same key settles it',
    async (action) => {
      const request = newRequest();
      await plan({ operation: 'authorize', action });

      const failure = await failureOf(gateway.authorize(request));

      expect(failure).toBeInstanceOf(GatewayUnavailableError);
      expect(failure).toMatchObject({ retryable: true });
      expect(await gateway.authorize(request)).toMatchObject({ kind: 'authorized' });
      expect(await gateway.find({ paymentId: request.paymentId })).toHaveLength(1);
    },
  );

  it.each(['capture', 'refund'] as const)(
    '%s: is done once although its answer is cut',
    async (operation) => {
      const request = newRequest();
      const authorizationId = await authorize(request);
      const money = { amountMinor: 1999, currency: 'EUR' };
      const capture = () =>
        gateway.capture({ idempotencyKey: `${request.paymentId}:c`, authorizationId, ...money });
      await plan({ operation, action: 'cut_after', match: { orderId: request.orderId } });

      let call: () => Promise<unknown> = capture;
      if (operation === 'refund') {
        const done = await capture();
        const captureId = done.kind === 'captured' ? done.captureId : '';
        const refundId = `ref_${count}`;
        call = () => gateway.refund({ idempotencyKey: `${refundId}:1`, refundId, captureId, ...money });
      }
      const failure = await failureOf(call());
      const repeated = await call();

      expect(failure).toBeInstanceOf(GatewayUnavailableError);
      expect(repeated).toMatchObject({ kind: operation === 'capture' ? 'captured' : 'refunded' });
      const facts = (await evidenceOf(fake.url)).filter(({ orderId }) => orderId === request.orderId);
      const expected = ['authorized', 'captured', 'refunded'].slice(0, operation === 'capture' ? 2 : 3);
      expect(facts.map(({ type }) => type)).toEqual(expected);
    },
  );

  it('tells a stored error apart from a first one', async () => {
    const request = newRequest('tok_error');

    const first = await failureOf(gateway.authorize(request));
    const second = await gateway.authorize(request);

    expect(first).toBeInstanceOf(GatewayUnavailableError);
    expect(second).toEqual({ kind: 'stored_error', code: 'api_error' });
    expect(await gateway.find({ paymentId: request.paymentId })).toEqual([]);
  });

  it.each(['authorize', 'capture', 'refund'] as const)(
    '%s: a stored error after the effect burns the key, and the look-up shows the effect',
    async (operation) => {
      const request = newRequest();
      const money = { amountMinor: 1999, currency: 'EUR' };
      const repeat = async <T>(call: () => Promise<T>): Promise<T> => {
        await failureOf(call());
        return call();
      };
      await plan({ operation, action: '500_after' });

      const outcomes: unknown[] = [await repeat(() => gateway.authorize(request))];
      const [first] = await gateway.find({ paymentId: request.paymentId });
      const authorizationId = first?.authorizationId ?? '';
      outcomes.push(
        await repeat(() => gateway.capture({ idempotencyKey: `c${count}`, authorizationId, ...money })),
      );
      const [second] = await gateway.find({ paymentId: request.paymentId });
      const refund = {
        idempotencyKey: `r${count}`,
        refundId: `ref_${count}`,
        captureId: second?.captureId ?? '',
      };
      outcomes.push(await repeat(() => gateway.refund({ ...refund, ...money })));

      const at = ['authorize', 'capture', 'refund'].indexOf(operation);
      expect(outcomes[at]).toEqual({ kind: 'stored_error', code: 'api_error' });
      const [last] = await gateway.find({ paymentId: request.paymentId });
      expect(last).toMatchObject({
        status: 'captured',
        refunds: [{ refundId: `ref_${count}`, amountMinor: 1999 }],
      });
    },
  );

  it.each([true, false])('settles a void whose key is burnt (void took effect: %s)', async (tookEffect) => {
    const request = newRequest();
    const authorizationId = await authorize(request);
    const call = () => gateway.void({ idempotencyKey: `v${count}`, authorizationId });
    await plan({ operation: 'void', action: tookEffect ? '500_after' : '500_before', stored: true });

    const first = await failureOf(call());
    const second = await call();

    expect(first).toBeInstanceOf(GatewayUnavailableError);
    expect(second).toEqual({ kind: 'voided' });
    const voids = (await evidenceOf(fake.url, 'voided')).filter(
      ({ paymentId }) => paymentId === request.paymentId,
    );
    expect(voids).toHaveLength(1);
  });

  it.each(['authorize', 'capture', 'void', 'refund'] as const)(
    '%s: waits out a call that is carried out long after it was given up',
    async (operation) => {
      const request = newRequest();
      const money = { amountMinor: 1999, currency: 'EUR' };
      await plan({ operation, action: 'late', delayMs: 1_500 });
      const settled = async <T>(call: () => Promise<T>): Promise<T> => {
        for (;;) {
          const result = await call().catch((error: unknown) => {
            if (!(error instanceof GatewayUnavailableError)) throw error;
          });
          if (result !== undefined) return result;
        }
      };

      const authorization = await settled(() => gateway.authorize(request));
      const authorizationId = 'authorizationId' in authorization ? authorization.authorizationId : '';
      if (operation === 'void') {
        await settled(() => gateway.void({ idempotencyKey: `v${count}`, authorizationId }));
      } else {
        const capture = await settled(() =>
          gateway.capture({ idempotencyKey: `c${count}`, authorizationId, ...money }),
        );
        const captureId = capture.kind === 'captured' ? capture.captureId : '';
        const refundId = `ref_${count}`;
        await settled(() => gateway.refund({ idempotencyKey: `r${count}`, refundId, captureId, ...money }));
      }

      const facts = (await evidenceOf(fake.url)).filter(({ orderId }) => orderId === request.orderId);
      const expected =
        operation === 'void' ? ['authorized', 'voided'] : ['authorized', 'captured', 'refunded'];
      expect(facts.map(({ type }) => type)).toEqual(expected);
      expect((await evidenceOf(fake.url, 'fault')).at(-1)).toMatchObject({ action: 'late', operation });
    },
  );

  it('finds nothing of a late authorization until it happens', async () => {
    const request = newRequest();
    await plan({ operation: 'authorize', action: 'late', delayMs: 2_000 });

    await failureOf(gateway.authorize(request));
    const during = await gateway.find({ paymentId: request.paymentId });
    await eventually(async () => (await controlFake(fake.url, {}))['late'] === 0);

    expect(during).toEqual([]);
    expect(await gateway.find({ paymentId: request.paymentId })).toHaveLength(1);
  });

  it('tells where the customer acts', async () => {
    const result = await gateway.authorize(newRequest('tok_requires_action'));

    const authorizationId = 'authorizationId' in result ? result.authorizationId : '';
    expect(result).toEqual({
      kind: 'requires_action',
      authorizationId,
      actionUrl: `${fake.url}/_customer/${authorizationId}`,
    });
  });

  it('waits out a late success under the same key', async () => {
    await controlFake(fake.url, { lateMs: 3_000 });
    const request = newRequest('tok_timeout_then_success');

    const first = await failureOf(gateway.authorize(request));
    const meanwhile = await failureOf(gateway.authorize(request));

    expect(first).toBeInstanceOf(GatewayUnavailableError);
    expect(String(meanwhile)).toContain('idempotency_key_in_use');
    expect(await gateway.find({ paymentId: request.paymentId })).toHaveLength(1);
    await eventually(async () => {
      const result = (await failureOf(gateway.authorize(request))) as { kind?: string };
      return result.kind === 'authorized';
    });
    expect(await gateway.find({ paymentId: request.paymentId })).toHaveLength(1);
  });

  it.each(['authorize', 'capture', 'refund'])(
    'refuses an answer to %s with another amount',
    async (operation) => {
      const request = newRequest();
      const money = { amountMinor: 1999, currency: 'EUR' };
      await plan({ operation, action: 'amount_mismatch' });
      const calls = async (): Promise<void> => {
        const authorizationId = await authorize(request);
        const capture = await gateway.capture({ idempotencyKey: `c${count}`, authorizationId, ...money });
        const captureId = capture.kind === 'captured' ? capture.captureId : '';
        await gateway.refund({ idempotencyKey: `r${count}`, refundId: `ref_${count}`, captureId, ...money });
      };

      const failure = await failureOf(calls());

      expect(failure).toBeInstanceOf(GatewayMismatchError);
      expect(failure).toMatchObject({ retryable: false });
    },
  );

  it('passes on Retry-After', async () => {
    await plan({ action: '429', retryAfterSeconds: 7 });

    const failure = await failureOf(gateway.authorize(newRequest()));

    expect(failure).toMatchObject({ code: 'gateway_unavailable', retryAfterSeconds: 7 });
  });

  it('says that it is unavailable while the gateway is down or gone', async () => {
    await controlFake(fake.url, { down: true });
    const request = newRequest('tok_visa_secret');
    const down = await failureOf(gateway.authorize(request));
    const elsewhere = createHttpPaymentGateway({ baseUrl: 'http://127.0.0.1:1', timeoutMs: TIMEOUT_MS });
    const gone = await failureOf(elsewhere.authorize(request));
    await elsewhere.close();

    expect(down).toBeInstanceOf(GatewayUnavailableError);
    expect(gone).toBeInstanceOf(GatewayUnavailableError);
    expect(`${String(down)} ${String(gone)}`).not.toContain('tok_visa_secret');
  });
});

describe('http payments against answers that prove nothing', () => {
  let server: Server;
  let url: string;
  let answer: (response: ServerResponse, path: string) => unknown;
  let authorization: string | undefined;

  beforeAll(async () => {
    server = createServer((request, response) => {
      authorization = request.headers.authorization;
      request.resume();
      request.once('end', () => answer(response, request.url ?? ''));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const authorizeWith = async (options: { apiKey?: string; timeoutMs?: number } = {}): Promise<unknown> => {
    const gateway = createHttpPaymentGateway({ baseUrl: `${url}/base`, timeoutMs: TIMEOUT_MS, ...options });
    const money = { amountMinor: 100, currency: 'EUR' };
    const request = { idempotencyKey: 'k', paymentId: 'p', orderId: 'o', method: 'tok_secret', ...money };
    const result = await gateway.authorize(request).catch((error: unknown) => error);
    await gateway.close();
    return result;
  };

  it.each<[string, (response: ServerResponse) => unknown]>([
    ['a redirect', (response) => response.writeHead(307, { location: `${url}/other` }).end()],
    ['200 with HTML', (response) => response.writeHead(200).end('<html>tok_secret</html>')],
    ['200 with a list', (response) => response.writeHead(200).end('[]')],
    ['200 with an empty object', (response) => response.writeHead(200).end('{}')],
    ['403 of a proxy', (response) => response.writeHead(403).end('<html>no</html>')],
    ['402 without a code', (response) => response.writeHead(402).end('{"error":{"message":"tok_secret"}}')],
    ['401', (response) => response.writeHead(401).end('{"error":{"code":"unauthenticated"}}')],
    ['an endless answer', (response) => response.writeHead(200).end(`{"id":"${'x'.repeat(70_000)}"}`)],
    [
      'half an answer',
      (response) => response.writeHead(200, { 'content-length': '99' }).write('{"id"') && response.destroy(),
    ],
    [
      'a status it should not have',
      (response) =>
        response
          .writeHead(200)
          .end('{"id":"a","paymentId":"p","amountMinor":100,"currency":"EUR","status":"new"}'),
    ],
  ])('throws a retryable error for %s and follows nothing', async (_name, act) => {
    const paths: string[] = [];
    answer = (response, path) => {
      paths.push(path);
      act(response);
    };

    const failure = await authorizeWith();

    expect(failure).toBeInstanceOf(GatewayUnavailableError);
    expect(String(failure)).not.toContain('tok_secret');
    expect(paths).toEqual(['/base/v1/authorizations']);
  });

  it('refuses another currency in the answer', async () => {
    answer = (response) =>
      response.end('{"id":"a","paymentId":"p","amountMinor":100,"currency":"USD","status":"authorized"}');

    expect(await authorizeWith()).toBeInstanceOf(GatewayMismatchError);
  });

  it('ends a call whose answer only trickles', async () => {
    let trickle: NodeJS.Timeout | undefined;
    answer = (response) => {
      response.writeHead(200);
      trickle = setInterval(() => response.write(' '), 50);
    };
    const startedAt = performance.now();

    const failure = await authorizeWith({ timeoutMs: 300 });
    clearInterval(trickle);

    expect(failure).toBeInstanceOf(GatewayUnavailableError);
    expect(String(failure)).toContain('timeout');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it.each([
    ['12', 12],
    ['-3', undefined],
    ['later', undefined],
  ])('reads Retry-After %s', async (header, retryAfterSeconds) => {
    answer = (response) => response.writeHead(503, { 'retry-after': header }).end();

    expect(await authorizeWith()).toMatchObject({ code: 'gateway_unavailable', retryAfterSeconds });
  });

  it('sends the API key as a bearer token', async () => {
    answer = (response) => response.writeHead(503).end();

    await authorizeWith({ apiKey: 'key_1' });

    expect(authorization).toBe('Bearer key_1');
  });
});
