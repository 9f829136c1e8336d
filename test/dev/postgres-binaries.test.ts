import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { repairSymlinks } from '../../src/dev/postgres-binaries';

let directory: string;

beforeEach(() => {
  directory = path.join(mkdtempSync(path.join(tmpdir(), 'aftercommit-test-')), 'copied-native');
  mkdirSync(path.join(directory, 'lib'), { recursive: true });
  writeFileSync(path.join(directory, 'lib', 'libpq.so.5.18'), 'library');
});

afterEach(() => rmSync(path.dirname(directory), { recursive: true, force: true }));

function listLinks(...links: { source: string; target: string }[]): void {
  writeFileSync(path.join(directory, 'pg-symlinks.json'), JSON.stringify(links));
}

it('makes the links that a blocked install script left out, relative to their own folder', async () => {
  listLinks(
    { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so' },
    { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' },
  );

  const made = await repairSymlinks(directory);

  expect(made).toBe(2);
  expect(readlinkSync(path.join(directory, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
  expect(readFileSync(path.join(directory, 'lib', 'libpq.so'), 'utf8')).toBe('library');
});

it('leaves alone what is there, so it can run on each start', async () => {
  listLinks({ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' });
  await repairSymlinks(directory);

  expect(await repairSymlinks(directory)).toBe(0);
});

it('does nothing where the package has no list', async () => {
  expect(await repairSymlinks(directory)).toBe(0);
});
