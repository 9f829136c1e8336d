import { readEvidence } from '../../src/dev/evidence-log';
import { stepsOf } from '../support/history';
import { waitFor } from '../support/wait';
import { commitOf, crashWorker, whenSent } from './crash';
import { orderIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { startStack, type HttpAnswer, type Stack } from './stack';

/** API and worker in one process: `npm run service`. What an order goes through is the same; how it starts is not. */
let stack: Stack;
let namespace: string;

beforeAll(async () => {
  stack = await startStack({ withLinks: true, combined: true });
  await stack.sendToSink({ name: 'everything', path: '/everything' });
  namespace = (await readInstallation(stack.database.pool)).namespace;
}, 90_000);
afterAll(() => stack.stop(), 60_000);

const orderIdAt = (key: string): string => orderIdOf(namespace, 'local', key);

const reaches = (orderId: string, status: string): Promise<true> =>
  waitFor(
    `order ${orderId} is ${status}`,
    async () => (await stack.orderStatus(orderId)) === status || undefined,
    { describe: async () => (await stack.request('GET', `/v1/orders/${orderId}/timeline`)).text },
  );

const soldOf = async (sku: string): Promise<unknown> =>
  (await stack.request('GET', `/v1/inventory/${sku}`)).body['sold'];

describe('an order', () => {
  it('is started, committed and answered in the process, in 13 events and two tasks', async () => {
    const sku = await stack.stock('HERE', 10);

    const answer = await stack.placeOrder({ key: 'here', sku });
    const repeated = await stack.placeOrder({ key: 'here', sku });

    expect(answer.status).toBe(201);
    expect(repeated.text).toBe(answer.text);
    const handle = stack.temporal.workflow.getHandle(`order/${orderIdAt('here')}`);
    expect(await handle.result()).toEqual({
      decision: 'committed',
      code: null,
      status: 'CONFIRMED',
      paymentStatus: 'NONE',
    });
    const history = await handle.fetchHistory();
    expect(stepsOf(history)).toEqual(['commitOrder', 'deliverEvents']);
    // The first event of an update would be one of its acceptance.
    expect(history.events!.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toEqual(
      [],
    );
    expect(history.events!.filter((event) => event.workflowTaskCompletedEventAttributes)).toHaveLength(2);
    expect(history.events).toHaveLength(13);
  });

  it('is found by the outcome of its commit', async () => {
    const orderId = orderIdAt('here');

    const found = await waitFor('the run is found by its status', async () => {
      const query = `OrderId = '${orderId}' and OrderStatus = 'CONFIRMED'`;
      for await (const run of stack.temporal.workflow.list({ query })) return run.workflowId;
      return undefined;
    });

    expect(found).toBe(`order/${orderId}`);
  });

  it('is refused as everywhere', async () => {
    const sku = await stack.stock('NONE-LEFT', 0);

    const answer = await stack.placeOrder({ key: 'none-left', sku });

    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'out_of_stock' });
  });

  it('is paid, published and told', async () => {
    const sku = await stack.stock('PAID', 10);

    const answer = await stack.placeOrder({ key: 'paid', sku, method: 'tok_visa' });

    expect(answer.status).toBe(201);
    const orderId = String(answer.body['orderId']);
    await reaches(orderId, 'CONFIRMED');
    await waitFor('the customer is told', () =>
      readEvidence(stack.logFiles.twilio).some(
        (entry) => entry.type === 'accepted' && String(entry['body']).includes(orderId),
      ),
    );
  });

  it('that nobody waits for is carried out all the same', async () => {
    const sku = await stack.stock('LATER', 10);

    const answer = await stack.placeOrder({ key: 'later', sku, wait: 0 });

    // It may be decided before the start is acknowledged.
    expect([201, 202]).toContain(answer.status);
    await reaches(String(answer.body['orderId']), 'CONFIRMED');
  });
});

describe('the process', () => {
  it('is stopped only when the request that waits for its commit has its answer', async () => {
    const { workerDatabase } = stack.links;
    const sku = await stack.stock('STOPPED', 10);
    const sent = whenSent(workerDatabase, [commitOf(orderIdAt('stopped'))], () =>
      workerDatabase.freeze('down'),
    );
    const answering = stack.placeOrder({ key: 'stopped', sku });
    await sent();

    const stopped = stack.api().stop();
    workerDatabase.thaw('down');

    expect((await answering).status).toBe(201);
    expect((await stopped).code).toBe(0);
    await stack.startWorker();
    await reaches(orderIdAt('stopped'), 'CONFIRMED');
  });

  it('that is killed during a commit leaves the order to the next one, which takes the stock once', async () => {
    const { workerDatabase } = stack.links;
    const sku = await stack.stock('KILLED', 10);
    const sent = whenSent(workerDatabase, [commitOf(orderIdAt('killed'))], () =>
      workerDatabase.freeze('down'),
    );
    const first = stack.placeOrder({ key: 'killed', sku, quantity: 2 }).then(
      () => 'answered',
      () => 'cut off',
    );
    await sent();

    await crashWorker(stack);
    const repeated = await stack.placeOrder({ key: 'killed', sku, quantity: 2, wait: 60 });

    expect(await first).toBe('cut off');
    expect(repeated.status).toBe(201);
    await reaches(orderIdAt('killed'), 'CONFIRMED');
    expect(await soldOf(sku)).toBe(2);
  });

  it('answers within its time when Temporal says nothing, and goes on when it is back', async () => {
    const { workerTemporal } = stack.links;
    const sku = await stack.stock('SILENT', 10);
    workerTemporal.freeze('up');
    const before = performance.now();

    let answer: HttpAnswer;
    try {
      answer = await stack.placeOrder({ key: 'silent', sku, wait: 1 });
    } finally {
      workerTemporal.thaw('up');
    }

    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ code: 'temporal_unavailable' });
    // The caller's second, and the 5 s that a start is given.
    expect(performance.now() - before).toBeLessThan(9_000);
    const repeated = await waitFor('the repeated request is answered', async () => {
      const again = await stack.placeOrder({ key: 'silent', sku, wait: 60 });
      return again.status === 201 && again;
    });
    expect(repeated.body).toMatchObject({ status: 'CONFIRMED' });
    expect(await soldOf(sku)).toBe(1);
  });
});

it('keeps every invariant', async () => {
  expect(await stack.violations()).toEqual([]);
}, 90_000);
