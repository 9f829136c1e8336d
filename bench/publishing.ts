import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createDeliveryActivities, type DeliveryDeps } from '../src/activities/deliveries';
import { createRecords } from '../src/activities/records';
import { createRuleBook } from '../src/activities/rules';
import { createTargetBook } from '../src/activities/targets';
import { createTemplateBook } from '../src/activities/templates';
import { createSecretBox } from '../src/database/secrets';
import { putRule } from '../src/database/rules';
import { putTarget } from '../src/database/targets';
import { DEFAULT_NOTIFICATION_WAITS } from '../src/domain/notifications';
import { silentLog, type TestDatabase } from '../test/support/database';

export interface Publishing {
  /**
   * Commits one event in a transaction of its own, as a caller does, and delivers it with the very activity that workers
   * run: rules evaluated, deliveries frozen, claimed, sent over HTTP, recorded.
   * @returns milliseconds from the commit to the end of that
   */
  publishOne(): Promise<number>;
  close(): Promise<void>;
}

/** Takes everything and answers at once: it must not be what is measured. */
export async function startSink(): Promise<{ url: string; received(): number; close(): Promise<void> }> {
  let received = 0;
  const server = createServer((req, res) => {
    req.resume().on('end', () => {
      received += 1;
      res.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    received: () => received,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** One rule to one HTTP target, on real PostgreSQL and without Temporal: its own way is measured by `npm run bench:enqueue`. */
export async function openPublishing(database: TestDatabase, sinkUrl: string): Promise<Publishing> {
  const { pool } = database;
  await putTarget(
    pool,
    {
      name: 'bench',
      kind: 'http',
      config: { url: sinkUrl },
      connection: null,
      signature: null,
      retry: {},
      ratePerSecond: null,
      actor: 'bench',
    },
    { connection: [], signature: [] },
  );
  await putRule(pool, {
    name: 'bench',
    description: null,
    pattern: { source: ['bench'] },
    state: 'ENABLED',
    targets: [{ target: 'bench', transformer: null }],
    actor: 'bench',
  });
  const targets = createTargetBook({
    pool,
    box: createSecretBox(Buffer.alloc(32)),
    dependencies: {
      allowPrivate: true,
      logger: silentLog,
      brokers: { kafka: [], rocketmq: null, nats: [], amqp: null },
      pool,
      temporal: nobody,
    },
  });
  const activities = createDeliveryActivities(deliveryDeps(pool, targets));
  const client = await pool.connect();
  return {
    async publishOne() {
      const key = randomUUID();
      await client.query('begin');
      const { rows } = await client.query<{ id: string }>(
        `select aftercommit.enqueue('new', jsonb_build_object('key', $1::text), 'bench', $1::text) as id`,
        [key],
      );
      const { rows: about } = await client.query<{ aggregate_id: string }>(
        'select aggregate_id from aftercommit.outbox where id = $1',
        [rows[0]!.id],
      );
      await client.query('commit');
      const committedAt = performance.now();
      const input = { aggregateId: about[0]!.aggregate_id, handOver: true };
      const deliver = (): Promise<{ waitMs: number | null }> => activities.deliverEvents(input);
      const left = await new MockActivityEnvironment().run<[], { waitMs: number | null }, typeof deliver>(
        deliver,
      );
      const tookMs = performance.now() - committedAt;
      if (left.waitMs !== null) throw new Error('an event was not delivered at once');
      return tookMs;
    },
    async close() {
      client.release();
      await targets.close();
    },
  };
}

/** Who is not asked as long as everything is delivered at once. */
function nobody(): never {
  throw new Error('nothing was to be left to anybody else');
}

/** No message is sent to people, and nothing is handed over. */
function deliveryDeps(pool: DeliveryDeps['pool'], targets: DeliveryDeps['targets']): DeliveryDeps {
  const uncounted = (): void => undefined;
  return {
    pool,
    records: createRecords(pool),
    targets,
    rules: createRuleBook(pool),
    successors: {
      delivery: nobody,
      notification: nobody,
      silence: nobody,
      replay: nobody,
      order: nobody,
      group: nobody,
    },
    metrics: {
      deliveryAttempt: uncounted,
      delivered: uncounted,
      notificationAttempt: uncounted,
      notificationSettled: uncounted,
    },
    channels: {},
    templates: createTemplateBook(pool),
    reachRules: {
      configured: new Set(),
      countries: null,
      dailyMax: null,
      timeZone: 'UTC',
      quietHours: null,
    },
    channelRates: {},
    waits: DEFAULT_NOTIFICATION_WAITS,
    providerTimeoutMs: 1_000,
    silence: { watch: nobody },
    log: silentLog,
    now: () => new Date(),
    random: Math.random,
  };
}
