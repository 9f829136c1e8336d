import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findTemporalCli, type CliProbes } from '../../src/dev/temporal-cli';

let cache: string;
let said: string[];
let asked: string[];

beforeEach(() => {
  cache = mkdtempSync(path.join(tmpdir(), 'aftercommit-test-'));
  said = [];
  asked = [];
});

afterEach(() => rmSync(cache, { recursive: true, force: true }));

interface Machine {
  onPath?: Record<string, string>;
  files?: string[];
  versions?: Record<string, readonly [number, number]>;
  download?: string;
  build?: string;
}

/** Probes that answer as the described machine would; a download or build without a reason succeeds. */
function machine(description: Machine): CliProbes {
  return {
    findOnPath: (name) => Promise.resolve(description.onPath?.[name]),
    isExecutable: (file) => Promise.resolve(description.files?.includes(file) ?? false),
    serverVersion: (file) => Promise.resolve(description.versions?.[file]),
    download: () => {
      asked.push('download');
      return Promise.resolve(description.download);
    },
    build: () => {
      asked.push('build');
      return Promise.resolve(description.build);
    },
  };
}

function find(description: Machine, env: Record<string, string> = {}): Promise<string> {
  return findTemporalCli({
    env: { AFTERCOMMIT_CACHE_DIR: cache, ...env },
    say: (line) => said.push(line),
    probes: machine(description),
  });
}

const cached = (): string => path.join(cache, 'temporal-cli-1.5.1', 'temporal');

it('prefers TEMPORAL_CLI_PATH to everything else', async () => {
  const found = await find(
    {
      files: ['/opt/temporal', cached()],
      onPath: { temporal: '/usr/bin/temporal' },
      versions: { '/opt/temporal': [1, 29], '/usr/bin/temporal': [1, 29] },
    },
    { TEMPORAL_CLI_PATH: '/opt/temporal' },
  );

  expect(found).toBe('/opt/temporal');
});

it('refuses a TEMPORAL_CLI_PATH that cannot be used instead of replacing it', async () => {
  const missing = find({ files: [cached()] }, { TEMPORAL_CLI_PATH: '/opt/temporal' });
  const old = find(
    { files: ['/opt/temporal'], versions: { '/opt/temporal': [1, 24] } },
    { TEMPORAL_CLI_PATH: '/opt/temporal' },
  );

  await expect(missing).rejects.toThrow('TEMPORAL_CLI_PATH=/opt/temporal');
  await expect(old).rejects.toThrow('its server is 1.24');
});

it('prefers the one on PATH to the cache', async () => {
  const found = await find({
    onPath: { temporal: '/usr/bin/temporal' },
    versions: { '/usr/bin/temporal': [1, 28] },
    files: [cached()],
  });

  expect(found).toBe('/usr/bin/temporal');
});

it('passes over one on PATH that is too old, and says so', async () => {
  const found = await find({
    onPath: { temporal: '/usr/bin/temporal' },
    versions: { '/usr/bin/temporal': [1, 27] },
    files: [cached()],
  });

  expect(found).toBe(cached());
  expect(said).toEqual([
    '/usr/bin/temporal is passed over: its server is 1.27, and 1.28 or later is needed.',
  ]);
});

it('asks nobody when the cache has it', async () => {
  const found = await find({ files: [cached()] });

  expect(found).toBe(cached());
  expect(asked).toEqual([]);
});

it('downloads before it builds', async () => {
  const found = await find({ onPath: { go: '/usr/bin/go' } });

  expect(found).toBe(cached());
  expect(asked).toEqual(['download']);
});

it('builds when the download is refused', async () => {
  const found = await find({ onPath: { go: '/usr/bin/go' }, download: 'no route' });

  expect(found).toBe(cached());
  expect(asked).toEqual(['download', 'build']);
});

it('names every way when none leads to it', async () => {
  const error: unknown = await find({ download: 'no route' }).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'invalid_config' });
  const { message } = error as Error;
  for (const way of ['TEMPORAL_ADDRESS', 'TEMPORAL_CLI_PATH', 'PATH', 'no route', 'go install', 'no `go`']) {
    expect(message).toContain(way);
  }
});
