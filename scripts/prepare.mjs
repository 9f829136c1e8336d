/**
 * Runs before `npm start` and `npm test`: installs the packages when the lock file changed and builds when a source
 * changed. It has no dependencies, because nothing may be installed yet, and does nothing noticeable when all is well.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const NODE_MINIMUM = [20, 19];
const LOCK_WAIT_MS_MAX = 15 * 60_000;
const LOCK_POLL_MS = 250;

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const inRoot = (...parts) => path.join(root, ...parts);
const lockFile = inRoot('package-lock.json');
const installStamp = inRoot('node_modules', '.aftercommit-install');
const buildStamp = inRoot('dist', '.build-stamp');

const say = (line) => process.stderr.write(`${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [majorMinimum, minorMinimum] = NODE_MINIMUM;
  if (major > majorMinimum || (major === majorMinimum && minor >= minorMinimum)) return;
  fail(`aftercommit needs Node ${NODE_MINIMUM.join('.')} or later; this is ${process.versions.node}.`);
}

const readText = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** Binaries differ per system: node_modules that came from another one, as with a shared folder, are of no use. */
function installFingerprint() {
  const lock = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  return `${lock} ${process.platform}-${process.arch}\n`;
}

function isInstalled() {
  const stamp = readText(installStamp);
  if (stamp === installFingerprint()) return true;
  // Somebody may have run npm themselves; npm notes what it installed when it is done.
  return stamp === '' || stamp.endsWith(` ${process.platform}-${process.arch}\n`) ? matchesLock() : false;
}

function matchesLock() {
  const noted = readText(inRoot('node_modules', '.package-lock.json'));
  if (noted === '') return false;
  const installed = JSON.parse(noted).packages;
  const wanted = Object.entries(JSON.parse(readFileSync(lockFile, 'utf8')).packages);
  return wanted.every(([name, { version, optional }]) => {
    // The project itself is not noted, and what belongs to other platforms is not installed.
    if (name === '' || (optional && installed[name] === undefined)) return true;
    return installed[name]?.version === version;
  });
}

function install() {
  if (!isInstalled()) {
    say('Installing the packages with npm ci (about 1 minute the first time, less with a warm npm cache) …');
    const startedAt = Date.now();
    const result = runNpm(['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']);
    if (result.error) fail(`npm cannot be run: ${result.error.message}`);
    if (result.status !== 0) fail('npm ci failed; its messages are above.');
    say(`Packages installed in ${Math.round((Date.now() - startedAt) / 1000)} s.`);
  }
  if (readText(installStamp) !== installFingerprint()) writeFileSync(installStamp, installFingerprint());
}

/** Inside an npm script npm names its own program, which is then surely the version that the caller uses. */
function runNpm(args) {
  const program = process.env.npm_execpath;
  const options = { cwd: root, stdio: ['ignore', 2, 2] };
  if (program !== undefined && /npm-cli\.[cm]?js$/.test(program)) {
    return spawnSync(process.execPath, [program, ...args], options);
  }
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
}

function buildFingerprint() {
  const hash = createHash('sha256');
  const sources = readdirSync(inRoot('src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const settings = readdirSync(root).filter((name) => /^tsconfig.*\.json$/.test(name));
  const others = [...settings, 'package-lock.json', path.join('scripts', 'build.mjs')].map((name) =>
    inRoot(name),
  );
  for (const file of [...sources, ...others].sort()) {
    const content = readFileSync(file);
    hash.update(`${path.relative(root, file)}\0${content.length}\0`).update(content);
  }
  return `${hash.digest('hex')}\n`;
}

function build() {
  const fingerprint = buildFingerprint();
  if (readText(buildStamp) === fingerprint) return;
  say('Building (about 15 s the first time, less after a small change) …');
  // Without a stamp a build that is interrupted is never taken for a whole one.
  rmSync(buildStamp, { force: true });
  const result = spawnSync(process.execPath, [inRoot('scripts', 'build.mjs')], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) fail('The build failed; its messages are above.');
  writeFileSync(buildStamp, fingerprint);
}

/** Two starts at once in one checkout must not install or build over each other. */
async function withLock(step) {
  const place = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const lock = path.join(tmpdir(), `aftercommit-prepare-${place}.lock`);
  const deadline = Date.now() + LOCK_WAIT_MS_MAX;
  let told = false;
  while (!takeLock(lock)) {
    const holder = Number(readText(lock));
    if (!told) say(`Waiting for process ${holder}, which installs or builds here …`);
    told = true;
    if (Date.now() > deadline) fail(`${lock} has been held by process ${holder} for too long.`);
    await delay(LOCK_POLL_MS);
  }
  process.once('exit', () => rmSync(lock, { force: true }));
  step();
}

function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = Number(readText(lock));
  if (holder > 0 && !isRunning(holder)) rmSync(lock, { force: true });
  return false;
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

requireNode();
mkdirSync(inRoot('dist'), { recursive: true });
await withLock(() => {
  install();
  build();
});
