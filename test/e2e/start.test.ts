import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '../dev/fake-control';

const PROGRAM = path.resolve(__dirname, '../../dist/dev.js');
/** Two starts of everything on a busy two-core machine. */
const START_MAX_MS = 90_000;

const dataDirectory = mkdtempSync(path.join(tmpdir(), 'aftercommit-start-'));
afterAll(() => rmSync(dataDirectory, { recursive: true, force: true }));

interface Run {
  child: ChildProcess;
  output: () => string;
  exited: Promise<number | null>;
}

/** Runs what `npm start` runs, on embedded parts alone. */
function start(...args: string[]): Run {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(AFTERCOMMIT_|TWILIO_|TEMPORAL_(?!CLI)|DATABASE_URL|PORT$)/.test(name) ||
      name === 'AFTERCOMMIT_CACHE_DIR',
  );
  const env = { ...Object.fromEntries(inherited), AFTERCOMMIT_DATA_DIR: dataDirectory };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (bytes: Buffer): void => void (output += bytes.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, output: () => output, exited };
}

async function started(run: Run): Promise<string> {
  await eventually(
    () => Promise.resolve(run.output().includes('Ctrl-C stops everything.') || run.child.exitCode !== null),
    START_MAX_MS,
  );
  if (run.child.exitCode !== null) throw new Error(run.output());
  return run.output();
}

/** Processes whose command line names our data directory. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    })
    .filter((line) => line.includes(directory));
}

const addressOf = (output: string, name: string): string =>
  new RegExp(`^${name} +(\\S+)`, 'm').exec(output)![1]!;

describe('npm start', () => {
  it('tells one order from commit to message, leaves no process, and goes on with its data', async () => {
    const first = start();
    const output = await started(first);
    expect(output).toMatch(/POST \/v1\/orders → 201/);
    expect(output).toMatch(/transaction\.committed/);
    expect(output).toMatch(/delivery\.delivered +order\.confirmed to log/);
    expect(output).toMatch(
      /notification\.accepted +order\.confirmed by sms \(SM[0-9a-f]{32}\), answered 201/,
    );
    for (const name of ['Twilio', 'payments', 'carrier', 'points', 'cart']) {
      expect((await fetch(`${addressOf(output, `fake ${name}`)}/_control`)).status).toBe(200);
    }
    const page = /See the run in the Web UI: (\S+)/.exec(output)![1]!;
    expect((await fetch(page)).status).toBe(200);
    first.child.kill('SIGINT');
    expect(await first.exited).toBe(0);
    expect(processesOf(dataDirectory)).toEqual([]);

    const second = start();
    const url = addressOf(await started(second), 'API');
    const orders = (await (await fetch(`${url}/v1/orders`)).json()) as { data: unknown[] };
    const stock = (await (await fetch(`${url}/v1/inventory/SKU-1`)).json()) as {
      available: number;
      sold: number;
    };
    second.child.kill('SIGINT');

    expect(await second.exited).toBe(0);
    expect(orders.data).toHaveLength(2);
    expect(stock).toMatchObject({ available: 96, sold: 4 });
  }, 240_000);

  it('begins anew with --fresh, and ends with its children when one of them dies', async () => {
    const run = start('--fresh');
    const url = addressOf(await started(run), 'API');
    const orders = (await (await fetch(`${url}/v1/orders`)).json()) as { data: unknown[] };
    expect(orders.data).toHaveLength(1);

    const worker = JSON.parse(readFileSync(path.join(dataDirectory, 'worker.pid.json'), 'utf8')) as {
      child: { pid: number };
    };
    process.kill(worker.child.pid, 'SIGKILL');

    expect(await run.exited).toBe(1);
    expect(run.output()).toContain('worker ended by itself');
    expect(processesOf(dataDirectory)).toEqual([]);
  }, 240_000);
});
