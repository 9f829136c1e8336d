/**
 * What `npm test` runs: makes sure that the servers the tests need can be started, runs Jest with the arguments it is
 * given, and closes with one plain line, `N passed, N failed, N skipped`. With --record-histories it runs only the
 * test that stores the workflows' histories anew.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const RECORD_FLAG = '--record-histories';
const HISTORIES_TEST = 'test/workflows/histories.test.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const say = (line) => process.stderr.write(`${line}\n`);

/** `npm test` has prepared already; `npm run histories` and a direct call have not. */
function prepare() {
  if (process.env.npm_lifecycle_event === 'test') return;
  const result = spawnSync(process.execPath, [path.join(root, 'scripts', 'prepare.mjs')], {
    stdio: 'inherit',
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Before Jest, where it would look like a test that hangs. */
async function requireServers() {
  const { findTemporalCli } = require(path.join(root, 'dist', 'dev', 'temporal-cli.js'));
  const { findTimeSkippingServer } = require(path.join(root, 'dist', 'dev', 'time-skipping-server.js'));
  try {
    await findTemporalCli({ env: process.env, say });
    await findTimeSkippingServer({ env: process.env, say });
  } catch (error) {
    say(error.code === 'invalid_config' ? error.message : error.stack);
    console.log('0 passed, 0 failed');
    process.exit(1);
  }
}

function runJest(args, environment) {
  const jest = path.join(path.dirname(require.resolve('jest/package.json')), 'bin', 'jest.js');
  const child = spawn(process.execPath, [jest, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  // Ctrl-C reaches Jest too; we stay until it has stopped its servers.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      say(error.message);
      resolve(1);
    });
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

/** A test file that cannot even be loaded has no failed tests of its own and must count all the same. */
function countResults(file) {
  const result = JSON.parse(readFileSync(file, 'utf8'));
  return {
    passed: result.numPassedTests,
    failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
    skipped: result.numPendingTests + result.numTodoTests,
  };
}

/** Without a result, as when no test matched or the set-up failed, nothing was run. */
function close(jestCode, resultFile) {
  const hasResult = existsSync(resultFile);
  const { passed, failed, skipped } = hasResult
    ? countResults(resultFile)
    : { passed: 0, failed: 0, skipped: 0 };
  if (passed + failed === 0) say('No test was run.');
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return jestCode === 0 && passed + failed === 0 ? 1 : jestCode;
}

const given = process.argv.slice(2);
const record = given.includes(RECORD_FLAG);
const passedOn = given.filter((argument) => argument !== RECORD_FLAG);
prepare();
await requireServers();
const directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-result-'));
const resultFile = path.join(directory, 'result.json');
try {
  const selection = record ? ['--runTestsByPath', HISTORIES_TEST, ...passedOn] : passedOn;
  const code = await runJest(
    [...selection, '--json', `--outputFile=${resultFile}`],
    record ? { AFTERCOMMIT_RECORD_HISTORIES: '1' } : {},
  );
  process.exitCode = close(code, resultFile);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
