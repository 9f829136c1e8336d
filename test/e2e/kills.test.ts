import { buildGates, type Gate, type Gates } from '../chaos/gates';
import { readLog } from '../chaos/checker';
import { orderIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { controlFake } from '../dev/fake-control';
import { localStepOf } from '../support/history';
import { waitFor } from '../support/wait';
import { commitOf, crashWorker, whenSent } from './crash';
import { startStack, type HttpAnswer, type NewOrder, type Stack } from './stack';

/**
 * The worker is killed with kill -9 at named points of the commit and of the first message, and started again. The
 * points are those of reliability, section 5. A recovery takes as long as Temporal waits for the dead worker (10 s), so
 * the crashes come one after the other, and what became of them is looked at in the end.
 */
let stack: Stack;
let gates: Gates;
let namespace: string;

const STOCK = 10;
const QUANTITY = 2;
const PRICE_MINOR = 1_000;
/** Longer than a recovery: the caller stays, and gets its 201 from the attempt after the crash. */
const WAIT_SECONDS = 60;
const KILLS = ['N4', 'T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7'] as const;
type Point = (typeof KILLS)[number];

/** What was asked for at each point, to be looked at again in the end. */
const asked = new Map<Point, { orderId: string; answer: Promise<HttpAnswer> }>();

beforeAll(async () => {
  stack = await startStack({ withLinks: true });
  gates = await buildGates(stack.database.url);
  namespace = (await readInstallation(stack.database.pool)).namespace;
  await stack.sendToSink({ name: 'everything', path: '/everything' });
}, 90_000);
afterAll(async () => {
  await gates.end();
  await stack.stop();
}, 60_000);

/** Its id follows from its key, so a trap can be set for it before it is placed. */
const orderIdAt = (point: Point): string => orderIdOf(namespace, 'local', point);

/** Places the order of a point; who asked for it waits over the crash. */
async function placeAt(point: Point, order: Partial<NewOrder> = {}): Promise<string> {
  const sku = await stack.stock(`SKU-${point}`, STOCK);
  const customerId = `cus_${point}`;
  const answer = stack.placeOrder({
    key: point,
    sku,
    quantity: QUANTITY,
    unitPriceMinor: PRICE_MINOR,
    customerId,
    wait: WAIT_SECONDS,
    ...order,
  });
  // Looked at in the end; without this a failure of the test before would be reported as something else.
  answer.catch(() => undefined);
  const orderId = orderIdAt(point);
  asked.set(point, { orderId, answer });
  return orderId;
}

const crash = (meanwhile?: () => Promise<void>): Promise<void> => crashWorker(stack, meanwhile);

/** Resolves once the worker sends the commit of this order; `strike` acts before it goes on. */
function whenCommitIsSent(orderId: string, strike: () => void): () => Promise<true> {
  return whenSent(stack.links.workerDatabase, [commitOf(orderId)], strike);
}

const isCommitted = (orderId: string): Promise<boolean> =>
  waitFor('the order is committed', async () => (await countOf('orders', 'order_id', orderId)) === 1);

async function countOf(table: string, column: string, orderId: string): Promise<number> {
  const { rows } = await stack.database.pool.query<{ count: number }>(
    `select count(*)::int as count from aftercommit.${table} where ${column} = $1`,
    [orderId],
  );
  return rows[0]!.count;
}

async function stockOf(point: Point): Promise<object | undefined> {
  const { rows } = await stack.database.pool.query<object>(
    'select available, reserved, sold from aftercommit.inventory where sku = $1',
    [`SKU-${point}`],
  );
  return rows[0];
}

/** Every request that any simulated provider or receiver got about an order. */
function requestsAbout(orderId: string): string[] {
  return Object.values(stack.logFiles)
    .flatMap((file) => readLog(file))
    .map((entry) => JSON.stringify(entry))
    .filter((line) => line.includes(orderId));
}

/** Nothing of the transaction is there, and nobody outside has heard of it. */
async function expectNothing(point: Point, orderId: string): Promise<void> {
  const counts = {
    orders: await countOf('orders', 'order_id', orderId),
    lines: await countOf('order_lines', 'order_id', orderId),
    receipts: await countOf('step_receipts', 'order_id', orderId),
    events: await countOf('outbox', 'aggregate_id', orderId),
    messages: await countOf('notification_attempts', 'order_id', orderId),
    payments: await countOf('payments', 'order_id', orderId),
  };
  expect(counts).toEqual({ orders: 0, lines: 0, receipts: 0, events: 0, messages: 0, payments: 0 });
  expect(await stockOf(point)).toEqual({ available: STOCK, reserved: 0, sold: 0 });
  expect(requestsAbout(orderId)).toEqual([]);
}

/** Whether Temporal knows how the commit ended: it is told with the end of the task that the commit was part of. */
async function isCommitReported(orderId: string): Promise<boolean> {
  const { events } = await stack.temporal.workflow.getHandle(`order/${orderId}`).fetchHistory();
  const steps = (events ?? []).flatMap((event) => localStepOf(event) ?? []);
  return steps.some(({ name, succeeded }) => name === 'commitOrder' && succeeded);
}

const acceptedMessages = (orderId: string): unknown[] =>
  readLog(stack.logFiles.twilio)
    .filter((entry) => entry.type === 'accepted' && String(entry['body']).includes(orderId))
    .map((entry) => entry['sid']);

describe('a worker that is killed', () => {
  it('at N4, the message accepted and its sid not stored, leaves an attempt without an outcome', async () => {
    const { workerTwilio, workerDatabase } = stack.links;
    const orderId = orderIdAt('N4');
    // A report would bring the sid; here nobody but the look-up may find it.
    await controlFake(stack.fakeUrls.twilio, { callbacks: { lose: true } });
    let isAsked = false;
    workerTwilio.onBytes = (direction, bytes) => {
      if (direction !== 'up' || !bytes.includes(orderId)) return;
      isAsked = true;
      workerDatabase.freeze('up');
    };
    const answeredBefore = workerTwilio.passed('down');

    await placeAt('N4');
    await waitFor(
      'the answer of the provider has arrived',
      () => isAsked && workerTwilio.passed('down') > answeredBefore,
    );
    await crash();

    expect(acceptedMessages(orderId)).toHaveLength(1);
    const { rows } = await stack.database.pool.query(
      'select message_sid, was_ambiguous or state = $2 as unknown from aftercommit.notification_attempts where order_id = $1',
      [orderId, 'SENDING'],
    );
    expect(rows).toMatchObject([{ unknown: true }]);
    await controlFake(stack.fakeUrls.twilio, { reset: true });
  });

  it('at T1, before its transaction, leaves nothing and has told nobody', async () => {
    const orderId = orderIdAt('T1');
    const reached = whenCommitIsSent(orderId, () => stack.links.workerDatabase.freeze('up'));

    await placeAt('T1', { method: 'tok_visa' });
    await reached();

    await crash(() => expectNothing('T1', orderId));
  });

  it.each<[Gate, string]>([
    ['T2', 'the stock was taken'],
    ['T3', 'the order was inserted'],
    ['T4', 'the event was inserted'],
  ])('at %s, after %s, leaves nothing and has told nobody', async (point) => {
    await gates.close(point);

    const orderId = await placeAt(point, { method: 'tok_visa' });
    const serverProcess = await gates.held(point);

    await crash(async () => {
      await gates.terminate(serverProcess);
      await gates.open(point);
      await expectNothing(point, orderId);
    });
  });

  it('at T5, COMMIT sent and no answer read, leaves the order committed', async () => {
    const orderId = orderIdAt('T5');
    const reached = whenCommitIsSent(orderId, () => stack.links.workerDatabase.freeze('down'));

    await placeAt('T5');
    await reached();
    await isCommitted(orderId);

    await crash(async () => expect(await isCommitReported(orderId)).toBe(false));
  });

  it('at T6, COMMIT answered and the activity not reported, leaves the order committed', async () => {
    const { workerDatabase, workerTemporal } = stack.links;
    const orderId = orderIdAt('T6');
    const reached = whenCommitIsSent(orderId, () => workerDatabase.freeze('down'));

    await placeAt('T6', { method: 'tok_visa' });
    await reached();
    await isCommitted(orderId);
    workerTemporal.freeze('up');
    const answeredBefore = workerDatabase.passed('down');
    workerDatabase.thaw('down');
    await waitFor('the worker has the answer', () => workerDatabase.passed('down') > answeredBefore);

    await crash(async () => expect(await isCommitReported(orderId)).toBe(false));
  });

  it('at T7, the activity reported and the acknowledgement not read, leaves the order committed', async () => {
    const orderId = orderIdAt('T7');
    const reached = whenCommitIsSent(orderId, () => stack.links.workerTemporal.freeze('down'));

    await placeAt('T7');
    await reached();
    await waitFor('Temporal knows of the commit', () => isCommitReported(orderId));

    await crash(async () => expect(await countOf('orders', 'order_id', orderId)).toBe(1));
  });
});

const CHARGED: readonly Point[] = ['T1', 'T2', 'T3', 'T4', 'T6'];

describe('when a worker is there again', () => {
  it.each(KILLS)(
    'the order of %s is committed, published and told exactly once',
    async (point) => {
      const { orderId, answer } = asked.get(point)!;
      const isCharged = CHARGED.includes(point);

      expect((await answer).status).toBe(201);
      await waitFor(
        'the order is published and told',
        async () => {
          const { body } = await stack.request('GET', `/v1/events?orderId=${orderId}&status=PUBLISHED`);
          return (
            (body['data'] as unknown[]).length === (isCharged ? 2 : 1) && acceptedMessages(orderId).length > 0
          );
        },
        {
          deadlineMs: 60_000,
          describe: async () => (await stack.request('GET', `/v1/orders/${orderId}/timeline`)).text,
        },
      );

      expect(await stack.orderStatus(orderId)).toBe('CONFIRMED');
      expect(await stockOf(point)).toEqual({ available: STOCK - QUANTITY, reserved: 0, sold: QUANTITY });
      expect(await countOf('outbox', 'aggregate_id', orderId)).toBe(isCharged ? 2 : 1);
      const captured = readLog(stack.logFiles.payments).filter(
        (entry) => entry.type === 'captured' && entry['orderId'] === orderId,
      );
      expect(captured.map((entry) => entry['amountMinor'])).toEqual(
        isCharged ? [QUANTITY * PRICE_MINOR] : [],
      );
      const attempts = await waitFor('the message is stored', async () => {
        const { rows } = await stack.database.pool.query<{ message_sid: string }>(
          `select message_sid from aftercommit.notification_attempts where order_id = $1 and state = 'ACCEPTED'`,
          [orderId],
        );
        return rows.length > 0 && rows;
      });
      expect(attempts.map((attempt) => attempt.message_sid)).toEqual(acceptedMessages(orderId));
      expect(acceptedMessages(orderId)).toHaveLength(1);
    },
    70_000,
  );

  it('every invariant holds', async () => {
    const answers = await Promise.all([...asked.values()].map(({ answer }) => answer));
    const violations = await stack.violations({
      planned: KILLS.length,
      attempted: asked.size,
      succeeded: answers.filter((answer) => answer.status === 201).length,
      // Each was waited for before its kill.
      faults: Object.fromEntries(KILLS.map((point) => [point, asked.has(point) ? 1 : 0])),
    });

    expect(violations).toEqual([]);
  });
});
