import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findTimeSkippingServer, type TimeSkippingProbes } from '../../src/dev/time-skipping-server';

let cache: string;
let asked: string[];

beforeEach(() => {
  cache = mkdtempSync(path.join(tmpdir(), 'aftercommit-test-'));
  asked = [];
});

afterEach(() => rmSync(cache, { recursive: true, force: true }));

interface Machine {
  onPath?: Record<string, string>;
  files?: string[];
  runs?: string[];
  download?: string;
  maven?: string;
}

function machine(description: Machine): TimeSkippingProbes {
  return {
    findOnPath: (name) => Promise.resolve(description.onPath?.[name]),
    isExecutable: (file) => Promise.resolve(description.files?.includes(file) ?? false),
    runs: (command) => Promise.resolve(description.runs?.includes(command) ?? false),
    download: () => {
      asked.push('download');
      return Promise.resolve(description.download);
    },
    installWithMaven: () => {
      asked.push('maven');
      return Promise.resolve(description.maven);
    },
  };
}

function find(
  description: Machine,
  env: Record<string, string> = {},
): Promise<{ type: string; path: string }> {
  return findTimeSkippingServer({
    env: { AFTERCOMMIT_CACHE_DIR: cache, ...env },
    say: () => undefined,
    probes: machine(description),
  });
}

const fromSdk = (): string => path.join(cache, 'temporal-test-server-sdk-1.24.0', 'temporal-test-server');
const fromMaven = (): string => path.join(cache, 'temporal-test-server-1.37.0', 'temporal-test-server');
const withJava = { onPath: { java: '/usr/bin/java', mvn: '/usr/bin/mvn' }, runs: ['/usr/bin/java'] };

it('asks nobody when the cache has it', async () => {
  const found = await find({ ...withJava, files: [fromMaven()] });

  expect(found).toEqual({ type: 'existing-path', path: fromMaven() });
  expect(asked).toEqual([]);
});

it('does not take the cached Java one when Java is gone', async () => {
  const found = await find({ files: [fromMaven()] });

  expect(found.path).toBe(fromSdk());
  expect(asked).toEqual(['download']);
});

it('takes the Maven artifact when the download is refused', async () => {
  const found = await find({ ...withJava, download: 'no route' });

  expect(found.path).toBe(fromMaven());
  expect(asked).toEqual(['download', 'maven']);
});

it('refuses a chosen path that is no program', async () => {
  const refused = find({ files: [fromSdk()] }, { AFTERCOMMIT_TEST_SERVER_PATH: '/opt/missing' });

  await expect(refused).rejects.toThrow('AFTERCOMMIT_TEST_SERVER_PATH=/opt/missing');
});

it('names every way when none leads to it, and a `java` that does not run counts as none', async () => {
  const error: unknown = await find({
    onPath: { java: '/usr/bin/java' },
    download: 'no route',
  }).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'invalid_config' });
  const { message } = error as Error;
  for (const way of [
    'AFTERCOMMIT_TEST_SERVER_PATH',
    'no route',
    'no working `java` and no `mvn`',
    '1.37.0',
  ]) {
    expect(message).toContain(way);
  }
});
