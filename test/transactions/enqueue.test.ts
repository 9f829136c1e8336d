import {
  createReceipts,
  doStep,
  enqueueEvent,
  enqueueWorkflow,
  refuse,
  transaction,
} from 'aftercommit/transactions';
import { dueWorkflowStarts } from '../../src/database/enqueued';
import { listEvents } from '../../src/database/events';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await createReceipts(database.pool);
});
afterAll(() => database.drop());

const eventsOf = async (subject: string) =>
  (await listEvents(database.pool, { subject, limit: 100 })).data.map((event) => ({
    id: event.id,
    source: event.source,
    type: event['detail-type'],
    detail: event.detail,
  }));
const workflow = (workflowId: string) => ({ workflowType: 'book', workflowId, taskQueue: 'flights' });
const startsOf = async () =>
  (await dueWorkflowStarts(database.pool, 100)).map(({ workflowId }) => workflowId);

it('writes event and workflow with the step, once', async () => {
  const book = () =>
    transaction(database.pool, (tx) =>
      doStep(tx, { aggregate: 'b-1', step: 'book' }, async () => {
        await enqueueWorkflow(tx, { ...workflow('book-1'), input: { bookingId: 'b-1' } });
        return enqueueEvent(tx, {
          type: 'flight.booked',
          detail: { seat: 1 },
          source: 'flights',
          subject: 'b-1',
        });
      }),
    );

  const outcome = await book();
  expect(await book()).toEqual({ ...outcome, repeated: true });

  expect(await eventsOf('b-1')).toEqual([
    {
      id: (outcome as { value: string }).value,
      source: 'flights',
      type: 'flight.booked',
      detail: { subject: 'b-1', seq: 1, seat: 1 },
    },
  ]);
  expect(await dueWorkflowStarts(database.pool, 10)).toEqual([
    { ...workflow('book-1'), input: { bookingId: 'b-1' } },
  ]);
});

it('writes neither with a step that is refused after it', async () => {
  await transaction(database.pool, (tx) =>
    doStep(tx, { aggregate: 'b-2', step: 'book' }, async () => {
      await enqueueEvent(tx, { type: 'flight.booked', detail: {}, subject: 'b-2' });
      await enqueueWorkflow(tx, workflow('book-2'));
      return refuse('sold_out');
    }),
  );

  expect(await eventsOf('b-2')).toEqual([]);
  expect(await startsOf()).not.toContain('book-2');
});

it('writes an event once per key, and fills in what is left out', async () => {
  const publish = () =>
    transaction(database.pool, (tx) =>
      enqueueEvent(tx, { type: 'a.b', detail: { n: 1 }, subject: 'b-3', key: 'k' }),
    );

  expect(await publish()).toBe(await publish());

  expect(await eventsOf('b-3')).toMatchObject([{ source: 'app', detail: { n: 1, seq: 1 } }]);
});

it.each([
  ['an event of the service', { type: 'order.confirmed', detail: {}, source: 'ecommerce.orders' }],
  ['a detail with a number of its own', { type: 'a.b', detail: { seq: 1 } }],
])('refuses %s', async (_what, event) => {
  await expect(transaction(database.pool, (tx) => enqueueEvent(tx, event))).rejects.toMatchObject({
    code: '22023',
  });
});

it('refuses a workflow on a task queue of the service', async () => {
  const taken = { ...workflow('book-3'), taskQueue: 'orders' };

  await expect(transaction(database.pool, (tx) => enqueueWorkflow(tx, taken))).rejects.toMatchObject({
    code: '22023',
  });
});
