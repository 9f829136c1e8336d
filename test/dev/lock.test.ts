import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { withLock } from '../../src/dev/lock';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-test-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('lets one step run at a time', async () => {
  const file = path.join(directory, 'build.lock');
  let inside = 0;
  let most = 0;
  const step = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };

  await Promise.all([1, 2, 3].map(() => withLock({ file }, step)));

  expect(most).toBe(1);
  expect(existsSync(file)).toBe(false);
});

it('takes over the lock of a process that is gone', async () => {
  const file = path.join(directory, 'build.lock');
  writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'another time', token: 'x' }));

  const result = await withLock({ file }, () => Promise.resolve('ran'));

  expect(result).toBe('ran');
});

it('gives the lock back when the step fails', async () => {
  const file = path.join(directory, 'build.lock');

  await expect(withLock({ file }, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');

  expect(existsSync(file)).toBe(false);
});
