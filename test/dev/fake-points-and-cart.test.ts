import { startFakeCart } from '../../src/dev/fake-cart';
import { startFakePoints } from '../../src/dev/fake-points';
import type { FakeServer, FakeServerOptions } from '../../src/dev/fake-server';
import { controlFake, evidenceOf, temporaryLog } from './fake-control';

interface Rig {
  /** @returns status and code, or status alone */
  ask(method: string, path: string, body?: unknown): Promise<[status: number, code?: unknown]>;
  restart(): Promise<void>;
  fake(): FakeServer;
  stop(): Promise<void>;
}

async function startRig(start: (options: FakeServerOptions) => Promise<FakeServer>): Promise<Rig> {
  const log = temporaryLog();
  let fake = await start({ port: 0, logFile: log.logFile });
  return {
    fake: () => fake,
    async ask(method, path, body) {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const response = await fetch(`${fake.url}${path}`, init);
      const answer = (await response.json()) as { error?: { code: unknown } };
      return answer.error === undefined ? [response.status] : [response.status, answer.error.code];
    },
    async restart() {
      await fake.close();
      fake = await start({ port: 0, logFile: log.logFile });
    },
    async stop() {
      await fake.close();
      log.remove();
    },
  };
}

describe('fake points', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await startRig(startFakePoints);
  });
  afterEach(() => rig.stop());

  const award = { customerId: 'cus_1', orderId: 'ord_1', points: 19 };

  it.each<[string, unknown]>([
    ['zero', { ...award, points: 0 }],
    ['a negative number', { ...award, points: -1 }],
    ['a fraction', { ...award, points: 1.5 }],
    ['text', { ...award, points: '19' }],
    ['more than a number can hold', { ...award, points: 2 ** 53 }],
    ['nobody', { ...award, customerId: '' }],
    ['something unknown', { ...award, extra: 1 }],
  ])('refuses an award of or for %s, and keeps nothing of it', async (_name, body) => {
    expect(await rig.ask('PUT', '/v1/entries/e1', body)).toEqual([422, 'invalid_request']);
    expect(await rig.ask('PUT', '/v1/entries/e1', award)).toEqual([200]);
  });

  it('knows entries, refusals, reversals and fences after a restart', async () => {
    await rig.ask('PUT', '/v1/entries/awarded', award);
    await rig.ask('PUT', '/v1/entries/reversed', award);
    await rig.ask('POST', '/v1/entries/reversed/reverse', {});
    await rig.ask('POST', '/v1/entries/fenced/reverse', {});
    await rig.ask('PUT', '/v1/entries/refused', { ...award, customerId: 'cus_refused' });

    await rig.restart();

    expect(await rig.ask('PUT', '/v1/entries/awarded', award)).toEqual([200]);
    expect(await rig.ask('PUT', '/v1/entries/awarded', { ...award, points: 1 })).toEqual([
      422,
      'idempotency_key_reused',
    ]);
    expect(await rig.ask('PUT', '/v1/entries/reversed', award)).toEqual([409, 'reversed']);
    expect(await rig.ask('POST', '/v1/entries/reversed/reverse', {})).toEqual([200]);
    expect(await rig.ask('PUT', '/v1/entries/fenced', award)).toEqual([409, 'reversed']);
    expect(await rig.ask('POST', '/v1/entries/fenced/reverse', {})).toEqual([404, 'entry_not_found']);
    expect(await rig.ask('PUT', '/v1/entries/refused', { ...award, customerId: 'cus_refused' })).toEqual([
      409,
      'account_closed',
    ]);
    expect(await evidenceOf(rig.fake().url, 'awarded')).toHaveLength(2);
  });

  it('refuses paths and methods that it does not know', async () => {
    expect(await rig.ask('GET', '/v1/entries')).toEqual([404, 'unknown_path']);
    expect(await rig.ask('PUT', '/v1/entries/%E0%A4%A', award)).toEqual([404, 'unknown_path']);
    expect(await rig.ask('POST', '/v1/entries/e1', award)).toEqual([405, 'method_not_allowed']);
    expect(await rig.ask('PUT', '/v1/entries/e1/reverse', {})).toEqual([405, 'method_not_allowed']);
  });
});

describe('fake cart', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await startRig(startFakeCart);
  });
  afterEach(() => rig.stop());

  const request = { cartId: 'cart_1', orderId: 'ord_1' };

  it.each<[string, unknown]>([
    ['no cart', { orderId: 'ord_1' }],
    ['an empty cart id', { ...request, cartId: '' }],
    ['a number', { ...request, cartId: 1 }],
    ['something unknown', { ...request, extra: 1 }],
    ['a list', []],
  ])('refuses %s', async (_name, body) => {
    expect(await rig.ask('POST', '/v1/carts/clear', body)).toEqual([422, 'invalid_request']);
    expect(await rig.ask('POST', '/v1/carts/restore', body)).toEqual([422, 'invalid_request']);
  });

  it('knows what was cleared, given back and fenced after a restart, and keeps refusals', async () => {
    const fault = { operation: 'clear', action: 'refuse', code: 'locked', match: { cartId: 'locked' } };
    await controlFake(rig.fake().url, { faults: [fault] });
    const other = (cartId: string) => ({ ...request, cartId });
    await rig.ask('POST', '/v1/carts/clear', request);
    await rig.ask('POST', '/v1/carts/clear', other('back'));
    await rig.ask('POST', '/v1/carts/restore', other('back'));
    await rig.ask('POST', '/v1/carts/restore', other('fenced'));
    await rig.ask('POST', '/v1/carts/clear', other('locked'));

    await rig.restart();

    expect(await rig.ask('POST', '/v1/carts/clear', request)).toEqual([200]);
    expect(await rig.ask('POST', '/v1/carts/clear', other('back'))).toEqual([409, 'restored']);
    expect(await rig.ask('POST', '/v1/carts/restore', other('back'))).toEqual([200]);
    expect(await rig.ask('POST', '/v1/carts/clear', other('fenced'))).toEqual([409, 'restored']);
    expect(await rig.ask('POST', '/v1/carts/clear', other('locked'))).toEqual([409, 'locked']);
    expect(await rig.ask('POST', '/v1/carts/restore', other('locked'))).toEqual([404, 'clearing_not_found']);
    expect(await evidenceOf(rig.fake().url, 'cleared')).toHaveLength(2);
  });

  it('passes Retry-After on when it is told to be busy', async () => {
    await controlFake(rig.fake().url, { faults: [{ action: '429', retryAfterSeconds: 3 }] });

    const response = await fetch(`${rig.fake().url}/v1/carts/clear`, { method: 'POST', body: '{}' });

    // The body is bad, so nothing was asked for and the fault is not used up on it.
    expect(response.status).toBe(422);
    const busy = await fetch(`${rig.fake().url}/v1/carts/clear`, {
      method: 'POST',
      body: JSON.stringify(request),
    });
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([429, '3']);
  });

  it('refuses paths and methods that it does not know', async () => {
    expect(await rig.ask('POST', '/v1/carts/empty', request)).toEqual([404, 'unknown_path']);
    expect(await rig.ask('GET', '/v1/carts/clear')).toEqual([405, 'method_not_allowed']);
  });
});
