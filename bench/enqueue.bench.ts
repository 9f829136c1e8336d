import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { Client as DatabaseClient } from 'pg';
import { readLog } from '../test/chaos/checker';
import { startStack, type Stack } from '../test/e2e/stack';
import { waitFor } from '../test/support/wait';

/**
 * From the commit of a caller's transaction to what it enqueued: the start of the workflow as Temporal dates it, and the
 * arrival of the event at an HTTP target on loopback. One at a time, on an idle system.
 */
const SAMPLES = 200;
const WARM_UP = 20;

let stack: Stack;
let client: DatabaseClient;
beforeAll(async () => {
  stack = await startStack();
  await stack.request('PUT', '/v1/targets/bench', { kind: 'http', url: `${stack.fakeUrls.sink}/bench` });
  await stack.request('PUT', '/v1/rules/bench', {
    pattern: { source: ['bench'] },
    targets: [{ target: 'bench' }],
  });
  client = new DatabaseClient({ connectionString: stack.database.url });
  await client.connect();
}, 120_000);
afterAll(async () => {
  await client.end();
  await stack.stop();
}, 60_000);

/** Commits and returns when that was known, in milliseconds since 1970. */
async function commitOf(by: DatabaseClient, call: string): Promise<number> {
  await by.query('begin');
  await by.query(call);
  await by.query('commit');
  return Date.now();
}

async function workflowStartMs(n: number): Promise<number> {
  const id = `bench-${n}`;
  const committedAt = await commitOf(
    client,
    `select aftercommit.enqueue_workflow('bench', '${id}', 'nobody')`,
  );
  const handle = stack.temporal.workflow.getHandle(id);
  const { startTime } = await waitFor('the workflow is started', () => handle.describe().catch(() => null));
  await handle.terminate();
  return startTime.getTime() - committedAt;
}

function arrivals(): Map<string, number> {
  const entries = readLog(stack.logFiles.sink).filter((entry) => entry['path'] === '/bench');
  return new Map(
    entries.map((entry) => {
      const { detail } = JSON.parse(String(entry['body'])) as { detail: { key: string } };
      return [detail.key, Date.parse(String(entry['at']))];
    }),
  );
}

async function eventMs(by: DatabaseClient, key: string): Promise<number> {
  const committedAt = await commitOf(
    by,
    `select aftercommit.enqueue('bench', '{"key": "${key}"}', 'bench', 'subject-${key}')`,
  );
  const arrivedAt = await waitFor('the event arrives', () => arrivals().get(key));
  return arrivedAt - committedAt;
}

function summary(numbers: number[]): { p50: number; p99: number } {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { p50: at(0.5), p99: at(0.99) };
}

it('measures from the commit to what was enqueued', async () => {
  const starts: number[] = [];
  for (let n = 0; n < SAMPLES + WARM_UP; n += 1) starts.push(await workflowStartMs(n));
  const events: number[] = [];
  for (let n = 0; n < SAMPLES + WARM_UP; n += 1) events.push(await eventMs(client, `one-${n}`));
  const result = {
    cpus: cpus().length,
    samples: SAMPLES,
    unit: 'ms',
    commitToWorkflowStart: summary(starts.slice(WARM_UP)),
    commitToEventAtTarget: summary(events.slice(WARM_UP)),
  };
  const file = path.resolve(__dirname, 'results/enqueue.json');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  console.log(JSON.stringify(result));
});
