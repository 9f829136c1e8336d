import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Client as DatabaseClient } from 'pg';
import { createPurgeActivities, type PurgeReport } from '../src/activities/purge';
import { cacheDirectory } from '../src/dev/cache';
import { startThrowawayPostgres, type EmbeddedPostgres } from '../src/dev/embedded-postgres';
import { DEFAULT_RETENTION } from '../src/domain/retention';
import { createTestDatabase, silentLog, type TestDatabase } from '../test/support/database';
import { writeOldEvents } from '../test/support/old-events';
import { openPublishing, startSink, type Publishing } from './publishing';

/**
 * Does the purge disturb publishing? From the commit of an event to the end of its delivery, one at a time, on PostgreSQL
 * that waits for its disk: with empty tables, with a million old events, and while the purge removes that million. The
 * three take turns, so that whatever else the machine does meets them alike. No Temporal is on the way; the purge runs in
 * the same process as the deliveries, as in a worker of all roles.
 */
const OLD_EVENTS = 1_000_000;
/** Longer ago than an event is kept. */
const OLDER_THAN_DAYS = DEFAULT_RETENTION.eventDays + 1;
const ROUNDS = 40;
const SAMPLES_PER_ROUND = 60;
const WARM_UP = 200;
/** What the median may be while the purge runs, in empty tables' medians. Source: the requirement. */
const RATIO_MAX = 1.1;

const ARMS = ['empty', 'million', 'purging'] as const;
type Arm = (typeof ARMS)[number];

let server: EmbeddedPostgres;
let sink: Awaited<ReturnType<typeof startSink>>;
let empty: TestDatabase;
let old: TestDatabase;
let publishing: Record<'empty' | 'old', Publishing>;
beforeAll(async () => {
  server = await startThrowawayPostgres({
    temporaryDirectory: tmpdir(),
    cacheDirectory: cacheDirectory(process.env),
    durable: true,
  });
  process.env['AFTERCOMMIT_TEST_DATABASE_URL'] = server.url;
  empty = await createTestDatabase();
  old = await createTestDatabase();
  await writeOldEvents(old.url, { count: OLD_EVENTS, newestDays: OLDER_THAN_DAYS });
  await tidy(old.url);
  sink = await startSink();
  publishing = {
    empty: await openPublishing(empty, sink.url),
    old: await openPublishing(old, sink.url),
  };
}, 10 * 60_000);
afterAll(async () => {
  await publishing.empty.close();
  await publishing.old.close();
  await sink.close();
  await empty.drop();
  await old.drop();
  await server.stop();
}, 120_000);

/** As autovacuum and the checkpointer leave tables that were filled long ago. */
async function tidy(url: string): Promise<void> {
  const client = new DatabaseClient({ connectionString: url });
  await client.connect();
  for (const table of ['outbox', 'deliveries', 'delivery_attempts'])
    await client.query(`vacuum (analyze) aftercommit.${table}`);
  await client.query('checkpoint');
  await client.end();
}

function purge(): Promise<PurgeReport> {
  const { pool } = old;
  const deps = { pool, now: () => new Date(), retention: DEFAULT_RETENTION, log: silentLog };
  return createPurgeActivities(deps).purgeArchive();
}

async function sample(by: Publishing, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < count; n += 1) samples.push(await by.publishOne());
  return samples;
}

/** The purge goes on where it was ended in the round before. */
async function sampleWhilePurging(): Promise<number[]> {
  const environment = new MockActivityEnvironment();
  const begun = new Promise<void>((resolve) => environment.once('heartbeat', () => resolve()));
  const startedAt = performance.now();
  const ended = environment.run(purge).then(
    () => 'by itself',
    () => 'when told to',
  );
  await begun;
  const samples = await sample(publishing.old, SAMPLES_PER_ROUND);
  environment.cancel();
  // It had work to do all the time.
  expect(await ended).toBe('when told to');
  purgingMs += performance.now() - startedAt;
  return samples;
}
let purgingMs = 0;

const measure: Record<Arm, () => Promise<number[]>> = {
  empty: () => sample(publishing.empty, SAMPLES_PER_ROUND),
  million: () => sample(publishing.old, SAMPLES_PER_ROUND),
  purging: sampleWhilePurging,
};

function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

async function oldEventsLeft(): Promise<number> {
  const { rows } = await old.pool.query<{ left: number }>(
    `select count(*)::int as left from aftercommit.outbox where type = 'old'`,
  );
  return rows[0]!.left;
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

interface Row {
  p50: number;
  p99: number;
  /** Of the median to that of empty tables. */
  ratio: number;
}

function tableOf(samples: Record<Arm, number[]>): Record<Arm, Row> {
  const emptyP50 = quantile(samples.empty, 0.5);
  const rowOf = (arm: Arm): Row => {
    const p50 = quantile(samples[arm], 0.5);
    return { p50: rounded(p50), p99: rounded(quantile(samples[arm], 0.99)), ratio: rounded(p50 / emptyP50) };
  };
  return { empty: rowOf('empty'), million: rowOf('million'), purging: rowOf('purging') };
}

it(
  'publishes as fast while a million old events are purged',
  async () => {
    await sample(publishing.empty, WARM_UP);
    await sample(publishing.old, WARM_UP);
    const samples: Record<Arm, number[]> = { empty: [], million: [], purging: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      // Each round begins with another one.
      const order = ARMS.map((_, index) => ARMS[(round + index) % ARMS.length]!);
      for (const arm of order) samples[arm].push(...(await measure[arm]()));
    }
    const purged = OLD_EVENTS - (await oldEventsLeft());
    const table = tableOf(samples);
    const result = {
      cpus: cpus().length,
      oldEvents: OLD_EVENTS,
      samplesPerArm: ROUNDS * SAMPLES_PER_ROUND,
      unit: 'ms from commit to delivery recorded; ratio of the medians to that of empty tables',
      ...table,
      eventsPurged: purged,
      eventsPurgedPerSecond: Math.round(purged / (purgingMs / 1_000)),
    };
    console.table(table);
    const file = path.resolve(__dirname, 'results/purge.json');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
    console.log(JSON.stringify(result));

    expect(sink.received()).toBe(2 * WARM_UP + ARMS.length * ROUNDS * SAMPLES_PER_ROUND);
    expect(table.purging.ratio).toBeLessThanOrEqual(RATIO_MAX);
  },
  15 * 60_000,
);
