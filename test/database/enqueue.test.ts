import {
  dueWorkflowStarts,
  recordStartFailed,
  recordWorkflowStarted,
  unroutedSubjects,
} from '../../src/database/enqueued';
import { listEvents, publishEvent } from '../../src/database/events';
import { TASK_QUEUES, workflowIds } from '../../src/workflows/messages';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const enqueue = async (args: string, values: unknown[] = []): Promise<string> => {
  const { rows } = await database.pool.query<{ id: string }>(
    `select aftercommit.enqueue(${args}) as id`,
    values,
  );
  return rows[0]!.id;
};
const eventsOf = async (subject: string) =>
  (await listEvents(database.pool, { subject, limit: 100 })).data.reverse();

describe('aftercommit.enqueue', () => {
  it('numbers the events of a subject without a gap, however many write at once and however many roll back', async () => {
    const write = async (n: number): Promise<void> => {
      const client = await database.pool.connect();
      try {
        await client.query('begin');
        await client.query(`select aftercommit.enqueue('invoice.sent', $1, 'billing', 'invoice-1')`, [{ n }]);
        await client.query(n % 3 === 0 ? 'rollback' : 'commit');
      } finally {
        client.release(true);
      }
    };

    await Promise.all(Array.from({ length: 30 }, (_, n) => write(n)));

    const events = await eventsOf('invoice-1');
    expect(events.map((event) => event.detail.seq).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
  });

  it('keeps the keys of callers inside the database and over HTTP apart', async () => {
    const { rows } = await database.pool.query<{ name: string }>('select session_user as name');
    const event = { type: 'a.b', source: 'app', subject: null, detail: {}, fingerprint: 'f' };
    const published = await publishEvent(database.pool, { ...event, key: `http\n${rows[0]!.name}\nsame` });

    expect(await enqueue(`'a.b', '{}', 'app', null, 'same'`)).not.toBe(published.eventId);
  });

  it('writes the event once per key and leaves no gap for a repeat', async () => {
    const id = await enqueue(`'a.b', '{}', 'app', 'keyed', 'key-1'`);
    const repeated = await enqueue(`'a.b', '{}', 'app', 'keyed', 'key-1'`);
    await enqueue(`'a.b', '{}', 'app', 'keyed', 'key-2'`);

    expect(repeated).toBe(id);
    expect((await eventsOf('keyed')).map((event) => event.detail.seq)).toEqual([1, 2]);
  });

  it('gives an event without a subject its own place', async () => {
    const id = await enqueue(`'a.b', '{"x": 1}'`);

    const { data } = await listEvents(database.pool, { eventId: id, limit: 1 });
    expect(data[0]).toMatchObject({ source: 'app', detail: { seq: 1, x: 1 } });
    expect(await unroutedSubjects(database.pool, { after: null, limit: 100 })).toContain(id);
  });

  it.each([
    ['a type with a space', `'a b', '{}'`, /type must be/],
    ['no type', `null, '{}'`, /type must be/],
    ['the source of orders', `'a.b', '{}', 'ecommerce.orders'`, /source must be/],
    ['a source of the service', `'a.b', '{}', 'aftercommit.bus'`, /source must be/],
    ['a subject with a line break', `'a.b', '{}', 'app', E'x\\ny'`, /subject must be/],
    ['a detail that is no object', `'a.b', '[]'`, /detail must be/],
    ['a detail with a seq of its own', `'a.b', '{"seq": 9}'`, /detail must be/],
    ['a detail of more than 256 KB', `'a.b', jsonb_build_object('x', repeat('y', 262144))`, /256 KB/],
  ])('refuses %s', async (_what, args, message) => {
    const countOf = async () => (await database.pool.query('select 1 from aftercommit.outbox')).rowCount;
    const before = await countOf();

    await expect(enqueue(args)).rejects.toThrow(message);

    expect(await countOf()).toBe(before);
  });

  it('needs nothing but the right to call it', async () => {
    await database.pool.query(`drop role if exists aftercommit_test_shop`);
    await database.pool.query(`create role aftercommit_test_shop`);
    const client = await database.pool.connect();
    try {
      await client.query('grant usage on schema aftercommit to aftercommit_test_shop');
      await client.query('begin');
      await client.query('set local role aftercommit_test_shop');
      await expect(client.query(`select aftercommit.enqueue('a.b', '{}')`)).rejects.toThrow(
        /permission denied/,
      );
      await client.query('rollback');
      await client.query('grant execute on function aftercommit.enqueue to aftercommit_test_shop');
      await client.query('begin');
      await client.query('set local role aftercommit_test_shop');
      await client.query(`select aftercommit.enqueue('a.b', '{}', 'shop', 'least')`);
      await expect(client.query('select * from aftercommit.outbox')).rejects.toThrow(/permission denied/);
      await client.query('rollback');
    } finally {
      client.release(true);
    }
    await database.pool.query('drop owned by aftercommit_test_shop');
    await database.pool.query('drop role aftercommit_test_shop');
  });
});

describe('aftercommit.enqueue_workflow', () => {
  it('keeps one start per id, until it is recorded', async () => {
    const call = `select aftercommit.enqueue_workflow('ship', 'ship-1', 'shop', '{"id": 1}')`;
    await database.pool.query(call);
    await database.pool.query(call);

    expect(await dueWorkflowStarts(database.pool, 10)).toEqual([
      { workflowId: 'ship-1', workflowType: 'ship', taskQueue: 'shop', input: { id: 1 } },
    ]);
    await recordStartFailed(database.pool, 'ship-1', 'unavailable');
    expect(await dueWorkflowStarts(database.pool, 10)).toEqual([]);
    await recordWorkflowStarted(database.pool, 'ship-1');
    const { rows } = await database.pool.query(
      'select input, error, attempts from aftercommit.workflow_starts',
    );
    expect(rows).toEqual([{ input: {}, error: null, attempts: 1 }]);
  });

  it.each([
    ['an id of the service', `'x', 'order/1', 'q'`, /service's own/],
    ['an id of Temporal', `'x', 'temporal-sys-1', 'q'`, /service's own/],
    ['a task queue of the service', `'x', 'y', 'orders'`, /service's own/],
    ['no type', `null, 'y', 'q'`, /must be texts/],
    ['an input of more than 256 KB', `'x', 'y', 'q', jsonb_build_object('x', repeat('y', 262144))`, /256 KB/],
  ])('refuses %s', async (_what, args, message) => {
    await expect(database.pool.query(`select aftercommit.enqueue_workflow(${args})`)).rejects.toThrow(
      message,
    );
  });

  it('takes ids that only look like those of the service', async () => {
    await database.pool.query(`select aftercommit.enqueue_workflow('x', 'order-42', 'q')`);

    expect((await dueWorkflowStarts(database.pool, 10)).map(({ workflowId }) => workflowId)).toContain(
      'order-42',
    );
  });

  it('knows every task queue and workflow id of the service', async () => {
    const ids = [
      workflowIds.order('1'),
      workflowIds.refund('1'),
      workflowIds.delivery('1'),
      workflowIds.notification('1'),
      workflowIds.silence({ until: 0 }),
      workflowIds.group('1'),
      workflowIds.sale('1'),
      workflowIds.replay('1'),
      workflowIds.redrive('1'),
      workflowIds.backlog({ rule: '1' }),
      workflowIds.targetTest({ target: '1', testId: '1' }),
      workflowIds.reconciliation('1'),
    ];
    expect(ids).toHaveLength(Object.keys(workflowIds).length);
    for (const id of ids) {
      await expect(
        database.pool.query(`select aftercommit.enqueue_workflow('x', $1, 'q')`, [id]),
      ).rejects.toThrow(/service's own/);
    }
    for (const queue of Object.values(TASK_QUEUES)) {
      await expect(
        database.pool.query(`select aftercommit.enqueue_workflow('x', 'y', $1)`, [queue]),
      ).rejects.toThrow(/service's own/);
    }
  });
});
