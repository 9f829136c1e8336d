import { Client as DatabaseClient } from 'pg';
import { readLog } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { holds, readAlertRules, readSamples } from '../support/alerts';
import { waitFor } from '../support/wait';
import { startStack, type HttpAnswer, type Stack } from './stack';

/** The event bus as its users and operators meet it, on the running product. */
let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
  await stack.stock('BUS', 10_000);
}, 90_000);
afterAll(async () => {
  try {
    expect(await stack.violations()).toEqual([]);
  } finally {
    await stack.stop();
  }
}, 150_000);

interface Taken {
  path: string;
  headers: Record<string, string>;
  body: {
    id: string;
    'detail-type': string;
    detail: { orderId?: string; seq: number; [name: string]: unknown };
  };
  text: string;
  answer: unknown;
}

const received = (path: string): Taken[] =>
  readLog(stack.logFiles.sink)
    .filter((entry) => entry.type === 'received' && entry['path'] === path)
    .map((entry) => {
      const text = String(entry['body']);
      return { ...entry, text, body: JSON.parse(text) as Taken['body'] } as unknown as Taken;
    });
const taken = (path: string): Taken[] => received(path).filter((entry) => entry.answer === 200);
const place = (key: string): Promise<HttpAnswer> => stack.placeOrder({ key, sku: 'BUS' });
const orderIdOf = (answer: HttpAnswer): string => String(answer.body['orderId']);
const data = (answer: HttpAnswer): Record<string, unknown>[] =>
  answer.body['data'] as Record<string, unknown>[];

async function put(path: string, body: object): Promise<void> {
  const answer = await stack.request('PUT', path, body);
  if (answer.status !== 200) throw new Error(answer.text);
}

/** A target at a path of the sink and a rule that sends it these events. */
async function sendTo(name: string, pattern: object, target: object = {}): Promise<void> {
  await put(`/v1/targets/${name}`, { kind: 'http', url: `${stack.fakeUrls.sink}/${name}`, ...target });
  await put(`/v1/rules/${name}`, { pattern, targets: [{ target: name }] });
}
const orderEvents = { source: ['ecommerce.orders'] };

describe("a caller's own event", () => {
  const publish = (key: string, body: object): Promise<HttpAnswer> =>
    stack.request('POST', '/v1/events', body, { 'idempotency-key': key });

  it('is published once per key, in the order of its subject', async () => {
    await sendTo('own', { source: ['billing'] });
    const event = (n: number) => ({
      type: 'invoice.sent',
      source: 'billing',
      subject: 'invoice-1',
      detail: { n },
    });

    const first = await publish('own-1', event(1));
    for (const n of [2, 3]) await publish(`own-${n}`, event(n));
    const repeated = await publish('own-1', event(1));

    expect(first).toMatchObject({
      status: 201,
      body: { source: 'billing', detail: { subject: 'invoice-1', seq: 1 } },
    });
    expect(repeated.body['id']).toBe(first.body['id']);
    expect(await publish('own-1', event(9))).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    await waitFor('three events arrive', () => taken('/own').length === 3);
    expect(
      taken('/own').map(({ body }) => [body.detail['subject'], body.detail.seq, body.detail['n']]),
    ).toEqual([
      ['invoice-1', 1, 1],
      ['invoice-1', 2, 2],
      ['invoice-1', 3, 3],
    ]);
  });

  it.each([
    ['an order event', { type: 'order.confirmed', source: 'ecommerce.orders', detail: {} }, 422, '/source'],
    ['one of the service', { type: 'x', source: 'aftercommit.x', detail: {} }, 422, '/source'],
    ['one with a number of its own', { type: 'x', source: 'app', detail: { seq: 1 } }, 422, '/detail/seq'],
    ['one with an empty type', { type: '', source: 'app', detail: {} }, 422, '/type'],
    ['one whose detail is a list', { type: 'x', source: 'app', detail: [] }, 400, '/detail'],
  ])('is refused when it is %s', async (_what, body, status, pointer) => {
    const answer = await publish('refused', body);

    expect(answer.status).toBe(status);
    expect(answer.body['errors']).toEqual([expect.objectContaining({ pointer })]);
  });
});

describe("what is enqueued inside a caller's own transaction", () => {
  const caller = async <T>(work: (client: DatabaseClient) => Promise<T>): Promise<T> => {
    const client = new DatabaseClient({ connectionString: stack.database.url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };

  it('is published after its commit and never after its rollback', async () => {
    await sendTo('enqueued', { source: ['shop'] });

    await caller(async (client) => {
      await client.query('begin');
      await client.query(`select aftercommit.enqueue('basket.emptied', '{"n": 1}', 'shop', 'basket-1')`);
      await client.query('rollback');
      await client.query('begin');
      await client.query(`select aftercommit.enqueue('basket.emptied', '{"n": 2}', 'shop', 'basket-1')`);
      await client.query('commit');
    });

    await waitFor('the event arrives', () => taken('/enqueued').length > 0);
    expect(taken('/enqueued').map(({ body }) => [body.detail.seq, body.detail['n']])).toEqual([[1, 2]]);
  });

  it('starts a workflow once', async () => {
    await caller((client) =>
      client.query(
        `select aftercommit.enqueue_workflow('shipParcel', 'parcel-1', 'shop', '{"parcelId": 1}')`,
      ),
    );

    const handle = stack.temporal.workflow.getHandle('parcel-1');
    const description = await waitFor('the workflow is started', () => handle.describe());
    await caller((client) =>
      client.query(`select aftercommit.enqueue_workflow('shipParcel', 'parcel-1', 'shop')`),
    );

    expect(description).toMatchObject({ type: 'shipParcel', taskQueue: 'shop' });
    await waitFor('the row says so', async () => {
      const { rows } = await stack.database.pool.query('select started_at from aftercommit.workflow_starts');
      return rows.length === 1 && (rows[0] as { started_at: string | null }).started_at !== null;
    });
    await handle.terminate();
  });

  it('is found by the next worker when nobody listened', async () => {
    await sendTo('unheard', { source: ['night'] });
    await stack.killWorker();
    await caller(async (client) => {
      await client.query(`select aftercommit.enqueue('shop.closed', '{}', 'night', 'shop')`);
      await client.query(`select aftercommit.enqueue_workflow('closeShop', 'close-1', 'shop')`);
    });

    await stack.startWorker();

    await waitFor('the event arrives', () => taken('/unheard').length === 1);
    const handle = stack.temporal.workflow.getHandle('close-1');
    await waitFor('the workflow is started', () => handle.describe());
    await handle.terminate();
  });
});

describe('a target that is down', () => {
  it('raises the alert, holds up only itself, and gets everything in order when it is back', async () => {
    await sendTo('steady', orderEvents);
    await sendTo('outage', orderEvents);
    const lags = readAlertRules().find(({ name }) => name === 'AftercommitTargetLags')!;
    const alert = async (): Promise<boolean> => {
      const text = await (await fetch(`${stack.url}/metrics`)).text();
      const samples = readSamples(text).filter(({ labels }) => labels['target'] === 'outage');
      // A second and a half in place of its minutes.
      return holds(lags, samples, 1.5);
    };
    await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/outage', status: 503, times: 1_000 }] });

    const order = orderIdOf(await stack.placeOrder({ key: 'outage', sku: 'BUS', method: 'tok_visa' }));
    await waitFor('the alert', alert);
    expect(taken('/steady').filter(({ body }) => body.detail.orderId === order)).toHaveLength(2);
    const lag = (await stack.request('GET', '/readyz')).body['lag'] as { undelivered: number };
    expect(lag.undelivered).toBeGreaterThanOrEqual(2);

    await controlFake(stack.fakeUrls.sink, { reset: true });
    await waitFor('both events arrive', () => taken('/outage').length === 2, { deadlineMs: 60_000 });
    expect(taken('/outage').map(({ body }) => body.detail.seq)).toEqual([1, 2]);
    await waitFor('the alert ends', async () => !(await alert()));
  });

  it('says that it is gone, is disabled, told of, and gets its dead letters when it is resumed', async () => {
    await sendTo('watch', { source: ['aftercommit'] });
    await sendTo('gone', orderEvents);
    await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/gone', status: 410, times: 1 }] });

    const first = orderIdOf(await place('gone-1'));
    await waitFor('it is told', () => taken('/watch').length === 1);
    const second = orderIdOf(await place('gone-2'));

    expect(taken('/watch')[0]!.body).toMatchObject({
      'detail-type': 'target.disabled',
      detail: { target: 'gone', rule: 'gone', code: 'endpoint_gone' },
    });
    const dead = await waitFor('two dead letters', async () => {
      const found = data(await stack.request('GET', '/v1/deliveries?target=gone&state=DEAD'));
      return found.length === 2 ? found : null;
    });
    expect(dead.map((one) => [one['orderId'], one['errorCode']]).sort()).toEqual(
      [
        [first, 'endpoint_gone'],
        [second, 'target_disabled'],
      ].sort(),
    );
    await stack.request('POST', '/v1/targets/gone/resume');
    const redrive = await stack.request('POST', '/v1/deliveries/redrive', { target: 'gone' });
    expect(redrive).toMatchObject({ status: 202, body: { total: 2 } });
    await waitFor('both arrive', () => taken('/gone').length === 2);
    await waitFor('the redrive says so', async () => {
      const { body } = await stack.request('GET', String(redrive.headers.get('location')));
      return body['state'] === 'COMPLETED' && (body['deliveries'] as { delivered: number }).delivered === 2;
    });
  });
});

describe('a rule or a target that is paused', () => {
  it.each(['rule', 'target'])('gathers its backlog and delivers it when the %s is resumed', async (noun) => {
    const name = `paused-${noun}`;
    await sendTo(name, orderEvents);
    expect(await stack.request('POST', `/v1/${noun}s/${name}/pause`)).toMatchObject({
      status: 200,
      body: { state: 'PAUSED' },
    });

    const order = orderIdOf(await place(`paused-${noun}`));
    await waitFor('it waits', async () => {
      const found = data(await stack.request('GET', `/v1/deliveries?target=${name}&state=READY`));
      return found.length === 1;
    });
    expect((await stack.request('POST', `/v1/${noun}s/${name}/pause`)).body['backlog']).toBe(1);
    expect(received(`/${name}`)).toEqual([]);
    // Nothing polls for it: its workflow has ended.
    await waitFor('no workflow waits', async () => {
      const handle = stack.temporal.workflow.getHandle(`order/${order}`);
      return (await handle.describe()).status.name === 'COMPLETED';
    });

    await stack.request('POST', `/v1/${noun}s/${name}/resume`);

    await waitFor('it arrives', () => taken(`/${name}`).length === 1);
  });
});

describe('the archive', () => {
  it('is replayed in order, with the first ids and bytes and the mark of the replay', async () => {
    const orders = await Promise.all(
      ['a', 'b', 'c'].map((key) => stack.placeOrder({ key, sku: 'BUS', method: 'tok_visa' })),
    );
    const ids = new Set(orders.map(orderIdOf));
    for (const id of ids)
      await waitFor('it is confirmed', async () => (await stack.orderStatus(id)) === 'CONFIRMED');
    await waitFor(
      'all is published',
      async () => data(await stack.request('GET', '/v1/events?status=PENDING')).length === 0,
    );
    await sendTo('again', orderEvents);

    const created = await stack.request('POST', '/v1/replays', {
      target: 'again',
      types: ['order.placed', 'order.confirmed'],
    });
    const location = String(created.headers.get('location'));
    await waitFor(
      'it is complete',
      async () => (await stack.request('GET', location)).body['state'] === 'COMPLETED',
    );

    const replayId = created.body['replayId'];
    const again = taken('/again').filter(({ body }) => ids.has(String(body.detail.orderId)));
    expect(again).toHaveLength(6);
    for (const id of ids) {
      const seqs = again.filter(({ body }) => body.detail.orderId === id).map(({ body }) => body.detail.seq);
      expect(seqs).toEqual([1, 2]);
    }
    expect(again.every(({ headers }) => headers['replay-id'] === replayId)).toBe(true);
    const steady = new Map(taken('/steady').map(({ body, text }) => [body.id, text]));
    for (const { body, text } of again) expect(text).toBe(steady.get(body.id));
  });

  it('is replayed at the rate that was asked for, can be paused and cancelled', async () => {
    const created = await stack.request('POST', '/v1/replays', { target: 'again', ratePerSecond: 1 });
    const location = String(created.headers.get('location'));
    const of = created.body['replayId'];
    const sent = (): number => taken('/again').filter(({ headers }) => headers['replay-id'] === of).length;
    await waitFor('it has begun', () => sent() >= 1);

    await stack.request('POST', `${location}/pause`);
    const paused = await stack.request('GET', location);
    const cancelled = await stack.request('POST', `${location}/cancel`);

    expect(paused.body['state']).toBe('PAUSED');
    expect(cancelled.body).toMatchObject({ state: 'CANCELLED' });
    await waitFor('its workflow ends', async () => {
      const handle = stack.temporal.workflow.getHandle(`replay/${String(of)}`);
      return (await handle.describe()).status.name === 'COMPLETED';
    });
    expect(sent()).toBeLessThan(Number((created.body['events'] as { total: number }).total));
    expect(await stack.request('POST', `${location}/resume`)).toMatchObject({
      status: 409,
      body: { code: 'conflicting_state' },
    });
  });
});

describe('a target', () => {
  it('is tried by a worker when somebody asks', async () => {
    await put('/v1/targets/tried', { kind: 'http', url: `${stack.fakeUrls.sink}/tried` });
    await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/tried', status: 404, times: 1 }] });

    const refused = await stack.request('POST', '/v1/targets/tried/test');
    const fine = await stack.request('POST', '/v1/targets/tried/test');

    expect(refused.body).toMatchObject({ outcome: 'dead', status: 404, code: 'http_404' });
    expect(fine.body).toMatchObject({ outcome: 'delivered', status: 200, code: null });
    expect(taken('/tried')[0]!.body).toMatchObject({ 'detail-type': 'target.test' });
  });
});
