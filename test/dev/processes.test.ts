import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stopLeftovers, writePidFile } from '../../src/dev/pid-files';
import { identify, isAlive } from '../../src/dev/process-identity';
import { startProcess, type ManagedProcess, type ProcessOptions } from '../../src/dev/processes';

const POLLS_MAX = 200;

async function until(condition: () => boolean): Promise<void> {
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    if (condition()) return;
    await delay(50);
  }
  throw new Error('the condition did not come true within 10 s');
}

let directory: string;
const started: ManagedProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-test-'));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop()));
  rmSync(directory, { recursive: true, force: true });
});

async function startNode(program: string, options: Partial<ProcessOptions> = {}): Promise<ManagedProcess> {
  const child = await startProcess({
    name: 'child',
    command: process.execPath,
    args: ['-e', program],
    logFile: path.join(directory, 'child.log'),
    pidFile: path.join(directory, 'child.pid.json'),
    ...options,
  });
  started.push(child);
  await until(() => child.lastLines().includes('ready') || !child.isRunning());
  return child;
}

const RUN_FOREVER = `console.log('ready'); setInterval(() => {}, 1000);`;
const IGNORE_SIGTERM = `process.on('SIGTERM', () => console.log('ignored')); ${RUN_FOREVER}`;

describe('startProcess', () => {
  it('stops a child with the signal, once, and removes its pid file', async () => {
    const child = await startNode(RUN_FOREVER);

    const [first, second] = await Promise.all([child.stop(), child.stop()]);

    expect(first).toEqual({ code: null, signal: 'SIGTERM' });
    expect(second).toEqual(first);
    expect(child.isRunning()).toBe(false);
    expect(existsSync(path.join(directory, 'child.pid.json'))).toBe(false);
  });

  it('kills a child that ignores the signal', async () => {
    const child = await startNode(IGNORE_SIGTERM, { stopTimeoutMs: 300 });

    const ended = await child.stop();

    expect(ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(child.lastLines()).toContain('ignored');
  });

  it('leaves nothing of what the child has started itself', async () => {
    const child = await startNode(
      `const grandchild = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
       console.log('grandchild', grandchild.pid); ${RUN_FOREVER}`,
    );
    const pid = Number(/grandchild (\d+)/.exec(child.lastLines())?.[1]);

    await child.stop();

    await until(() => identify(pid) === undefined);
  });

  it('tells how a child ended by itself and what it said last', async () => {
    const child = await startNode(`console.error('no such table'); process.exit(3)`);

    const ended = await child.exited;

    expect(ended).toEqual({ code: 3, signal: null });
    expect(child.lastLines()).toBe('no such table');
  });

  it('shows only what was said since this start', async () => {
    writeFileSync(path.join(directory, 'child.log'), 'an old failure\n');

    const child = await startNode(RUN_FOREVER);

    expect(child.lastLines()).toBe('ready');
  });

  it('refuses a command that does not exist', async () => {
    const child = startProcess({
      name: 'temporal',
      command: path.join(directory, 'missing'),
      args: [],
      logFile: path.join(directory, 'child.log'),
    });

    await expect(child).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('is ended by its watcher when the process that started it is killed', async () => {
    const starter = spawnStarter({ outlivesUs: false });
    const pid = await readyChild();

    starter.kill('SIGKILL');

    await until(() => identify(pid) === undefined);
  });

  it('outlives a killed starter when asked to, and is found by the next start', async () => {
    const starter = spawnStarter({ outlivesUs: true });
    const pid = await readyChild();
    starter.kill('SIGKILL');
    await until(() => starter.signalCode !== null);

    const running = identify(pid);
    const stopped = await stopLeftovers(directory);

    expect(running).toBeDefined();
    expect(stopped).toEqual(['child']);
    expect(identify(pid)).toBeUndefined();
  });

  /** A process of its own that starts a child the way we do and can then be killed. */
  function spawnStarter(options: { outlivesUs: boolean }) {
    const modules = path.resolve(__dirname, '../../src/dev/processes');
    const program = `
      require('./register.cjs');
      const { startProcess } = require(${JSON.stringify(modules)});
      void startProcess({
        name: 'child', command: process.execPath, args: ['-e', ${JSON.stringify(RUN_FOREVER)}],
        logFile: 'child.log', pidFile: 'child.pid.json', outlivesUs: ${options.outlivesUs},
      });
      setInterval(() => {}, 1000);`;
    writeFileSync(path.join(directory, 'register.cjs'), REGISTER);
    writeFileSync(path.join(directory, 'starter.cjs'), program);
    return spawn(process.execPath, ['starter.cjs'], { cwd: directory, stdio: 'ignore' });
  }

  async function readyChild(): Promise<number> {
    const file = path.join(directory, 'child.pid.json');
    const log = path.join(directory, 'child.log');
    await until(() => existsSync(file) && existsSync(log) && readFileSync(log, 'utf8').includes('ready'));
    return (JSON.parse(readFileSync(file, 'utf8')) as { child: { pid: number } }).child.pid;
  }
});

/** Lets plain Node load our TypeScript sources. */
const REGISTER = `
const { transformFileSync } = require(${JSON.stringify(require.resolve('@swc/core'))});
require.extensions['.ts'] = (module, file) => {
  const { code } = transformFileSync(file, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' },
  });
  module._compile(code, file);
};`;

describe('stopLeftovers', () => {
  it('does nothing where no run has been', async () => {
    expect(await stopLeftovers(path.join(directory, 'missing'))).toEqual([]);
  });

  it('leaves a process alone that only has the number of a former child', async () => {
    const bystander = await startNode(RUN_FOREVER, { pidFile: path.join(directory, 'bystander') });
    const file = path.join(directory, 'child.pid.json');
    writePidFile(file, { pid: bystander.pid, name: 'child', stopSignal: 'SIGKILL' });
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replaceAll(/"started":"[^"]*"/g, '"started":"another time"'),
    );

    const stopped = await stopLeftovers(directory);

    expect(stopped).toEqual([]);
    expect(bystander.isRunning()).toBe(true);
    expect(existsSync(file)).toBe(false);
  });

  it('refuses to start beside a run that is alive', async () => {
    const child = await startNode(RUN_FOREVER);

    const refused = stopLeftovers(directory);

    await expect(refused).rejects.toMatchObject({ code: 'invalid_config' });
    expect(child.isRunning()).toBe(true);
  });

  it('removes a pid file that was cut off', async () => {
    const file = path.join(directory, 'child.pid.json');
    writeFileSync(file, '{"name":');

    expect(await stopLeftovers(directory)).toEqual([]);
    expect(existsSync(file)).toBe(false);
  });
});

it('tells one process from another with the same number', () => {
  const own = identify(process.pid);

  expect(own === undefined ? undefined : isAlive(own)).toBe(true);
  expect(isAlive({ pid: process.pid, started: 'another time' })).toBe(false);
});
