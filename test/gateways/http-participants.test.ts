import type { FakeServer } from '../../src/dev/fake-server';
import { startFakeCarrier } from '../../src/dev/fake-carrier';
import { startFakeCart } from '../../src/dev/fake-cart';
import { startFakePoints } from '../../src/dev/fake-points';
import { createHttpCarrier } from '../../src/gateways/http-carrier';
import { createHttpCart } from '../../src/gateways/http-cart';
import { createHttpPointsLedger } from '../../src/gateways/http-points';
import { describeCarrierContract } from '../contract/carrier';
import { describeCartContract } from '../contract/cart';
import {
  expectMismatch,
  expectUnknown,
  type ParticipantFault,
  type ParticipantUnderTest,
} from '../contract/participant';
import { describePointsLedgerContract } from '../contract/points';
import { controlFake, eventually, evidenceOf, temporaryLog } from '../dev/fake-control';
import { startScriptedServer, type ScriptedServer } from './scripted-server';

/** Short, so that the tests of silence are; far above what loopback needs. */
const TIMEOUT_MS = 1_000;
/** Of a call that is carried out late: after the time-out, and soon. */
const LATE_MS = 1_200;

const ACTIONS: Record<ParticipantFault, Record<string, unknown>> = {
  lost_before: { action: 'cut_before' },
  lost_after: { action: 'cut_after' },
  late: { action: 'late', delayMs: LATE_MS },
  mismatch: { action: 'mismatch' },
};

async function startUnderTest(
  start: (options: { port: number; logFile: string }) => Promise<FakeServer>,
): Promise<{ url: string; fake: ParticipantUnderTest }> {
  const log = temporaryLog();
  const server = await start({ port: 0, logFile: log.logFile });
  const { url } = server;
  return {
    url,
    fake: {
      plan: async (fault, operation) => {
        await controlFake(url, { faults: [{ operation, ...ACTIONS[fault] }] });
      },
      settleLate: () => eventually(async () => (await controlFake(url, {}))['late'] === 0),
      stop: async () => {
        await server.close();
        log.remove();
      },
    },
  };
}

describeCarrierContract('http', async () => {
  const { url, fake } = await startUnderTest(startFakeCarrier);
  return {
    ...fake,
    carrier: createHttpCarrier({ baseUrl: url, timeoutMs: TIMEOUT_MS }),
    advance: async (shipmentId, status) => {
      const body = JSON.stringify({ shipmentId, status });
      const response = await fetch(`${url}/_tracking`, { method: 'POST', body });
      if (!response.ok) throw new Error(await response.text());
    },
    bookings: async (shipmentId) =>
      (await evidenceOf(url, 'booked')).filter((fact) => fact['shipmentId'] === shipmentId).length,
  };
});

describePointsLedgerContract('http', async () => {
  const { url, fake } = await startUnderTest(startFakePoints);
  return {
    ...fake,
    ledger: createHttpPointsLedger({ baseUrl: url, timeoutMs: TIMEOUT_MS }),
    balanceOf: async (customerId) => {
      const facts = (await evidenceOf(url)).filter((fact) => fact['customerId'] === customerId);
      const sign: Record<string, number> = { awarded: 1, reversed: -1 };
      return facts.reduce((sum, fact) => sum + (sign[fact.type] ?? 0) * (fact['points'] as number), 0);
    },
  };
});

describeCartContract('http', async () => {
  const { url, fake } = await startUnderTest(startFakeCart);
  return {
    ...fake,
    cart: createHttpCart({ baseUrl: url, timeoutMs: TIMEOUT_MS }),
    isCleared: async ({ cartId, orderId }) => {
      const facts = (await evidenceOf(url)).filter(
        (fact) => fact['cartId'] === cartId && fact['orderId'] === orderId,
      );
      return facts.at(-1)?.type === 'cleared';
    },
    clearings: async () => (await evidenceOf(url, 'cleared')).length,
  };
});

describe('participants over HTTP against answers that prove nothing', () => {
  let server: ScriptedServer;

  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  const address = { name: 'Ada', line1: 'Street', postalCode: '1', city: 'Berlin', country: 'DE' };
  const booking = { shipmentId: 's', orderId: 'o', address, lines: [{ sku: 'a', quantity: 1 }] };
  const award = { entryId: 'e', customerId: 'c', orderId: 'o', points: 1 };
  const clearing = { cartId: 'c', orderId: 'o' };

  /** Every call of every participant, each against one answer. */
  const calls: Record<string, (options: { baseUrl: string; timeoutMs: number }) => Promise<unknown>> = {
    book: (options) => withClosed(createHttpCarrier(options), (carrier) => carrier.book(booking)),
    cancel: (options) =>
      withClosed(createHttpCarrier(options), (carrier) => carrier.cancel({ shipmentId: 's' })),
    find: (options) => withClosed(createHttpCarrier(options), (carrier) => carrier.find({ shipmentId: 's' })),
    award: (options) => withClosed(createHttpPointsLedger(options), (ledger) => ledger.award(award)),
    reverse: (options) =>
      withClosed(createHttpPointsLedger(options), (ledger) => ledger.reverse({ entryId: 'e' })),
    clear: (options) => withClosed(createHttpCart(options), (cart) => cart.clear(clearing)),
    restore: (options) => withClosed(createHttpCart(options), (cart) => cart.restore(clearing)),
  };

  describe.each(Object.entries(calls))('%s', (_name, call) => {
    const callIt = () => call({ baseUrl: `${server.url}/base`, timeoutMs: TIMEOUT_MS });

    it.each<[string, number, string]>([
      ['a redirect', 307, ''],
      ['HTML', 200, '<html></html>'],
      ['an empty object', 200, '{}'],
      ['a list', 200, '[]'],
      [
        'a status nobody promised',
        200,
        '{"shipmentId":"s","entryId":"e","cartId":"c","orderId":"o","status":"new"}',
      ],
      ['401', 401, '{"error":{"code":"unauthenticated"}}'],
      ['429', 429, '{"error":{"code":"rate_limited"}}'],
      ['the 404 of another server', 404, '{"error":{"code":"no_such_route"}}'],
      ['the 404 of a proxy', 404, '<html></html>'],
      ['405', 405, '{"error":{"code":"method_not_allowed"}}'],
      ['409 without a code', 409, '{"error":{"message":"Ada"}}'],
      ['500', 500, '{"error":{"code":"api_error"}}'],
    ])('is unknown for %s', async (_name, status, body) => {
      server.answer(status, body, { location: `${server.url}/other` });

      await expectUnknown(callIt());

      expect(server.paths()).toHaveLength(1);
    });

    it('is unknown when nobody listens', async () => {
      await expectUnknown(call({ baseUrl: 'http://127.0.0.1:1', timeoutMs: TIMEOUT_MS }));
    });

    it('contradicts when the answer is about something else', async () => {
      const other = { shipmentId: 'x', entryId: 'x', cartId: 'x', orderId: 'o', trackingId: 't' };
      server.answer(200, JSON.stringify(other));

      await expectMismatch(callIt());
    });
  });

  it.each(['cancel', 'reverse', 'restore'])(
    '%s: a refusal that nobody knows is for a person',
    async (name) => {
      server.answer(409, '{"error":{"code":"account_frozen"}}');

      await expectMismatch(calls[name]!({ baseUrl: server.url, timeoutMs: TIMEOUT_MS }));
    },
  );

  it.each(['', '.', '..'])('sends nothing under the id %j', async (shipmentId) => {
    const carrier = createHttpCarrier({ baseUrl: server.url, timeoutMs: TIMEOUT_MS });
    server.answer(200, '{}');

    await expect(carrier.cancel({ shipmentId })).rejects.toBeInstanceOf(RangeError);
    await carrier.close();

    expect(server.paths()).toEqual([]);
  });

  it('sends the API key as a bearer token, and passes Retry-After on', async () => {
    const cart = createHttpCart({ baseUrl: server.url, timeoutMs: TIMEOUT_MS, apiKey: 'key_1' });
    server.answer(503, '{"error":{"code":"unavailable"}}', { 'retry-after': '7' });

    const failure = await cart.clear(clearing).catch((error: unknown) => error);
    await cart.close();

    expect(failure).toMatchObject({ code: 'gateway_unavailable', retryAfterSeconds: 7 });
    expect(server.authorization()).toBe('Bearer key_1');
  });
});

async function withClosed<T extends { close(): Promise<void> }>(
  participant: T,
  call: (participant: T) => Promise<unknown>,
): Promise<unknown> {
  try {
    return await call(participant);
  } finally {
    await participant.close();
  }
}
