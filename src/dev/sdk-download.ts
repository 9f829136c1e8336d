import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage } from './error-code';
import type { ReportDetail } from './progress';

/** A server that Temporal's SDK can download. */
export interface SdkDownload {
  kind: 'dev-server' | 'time-skipping';
  /** A release such as "v1.5.1", or "default" for the one that fits the SDK. */
  version: string;
  /** An empty directory; what arrives there has no meaning until the download succeeded. */
  directory: string;
  /** The downloaded program is moved here. */
  target: string;
  report?: ReportDetail;
}

/** The first byte arrives within a second or two; a network that swallows packets would wait for minutes. */
const FIRST_BYTE_TIMEOUT_MS = 8_000;
const STALL_TIMEOUT_MS = 20_000;
const POLL_MS = 250;
const OUTPUT_CHARACTERS_MAX = 4_000;
const MEGABYTE = 1_000_000;

/**
 * Starts the server once, which makes the SDK download it, and ends it at once. It runs in a process of its own: the
 * SDK's download has no time limit and cannot be cancelled, but a process can be killed.
 */
const DOWNLOAD_PROGRAM = `
const [testing, kind, version, downloadDir] = process.argv.slice(1);
const { TestWorkflowEnvironment } = require(testing);
const options = { server: { executable: { type: 'cached-download', version, downloadDir } } };
const started = kind === 'time-skipping'
  ? TestWorkflowEnvironment.createTimeSkipping(options)
  : TestWorkflowEnvironment.createLocal(options);
const reasons = (error) => error ? [error.message, ...reasons(error.cause)] : [];
started.then((env) => env.teardown()).then(
  () => process.exit(0),
  (error) => { console.error(reasons(error).join(': ')); process.exit(1); },
);
`;

/**
 * Lets Temporal's SDK download a server, by its own address and through the proxy that the environment names. A
 * refusal is told within seconds.
 * @returns undefined when the program is at its target, otherwise why it is not
 */
export async function downloadThroughSdk(download: SdkDownload): Promise<string | undefined> {
  let testing: string;
  try {
    testing = require.resolve('@temporalio/testing');
  } catch (error) {
    return `the SDK's package @temporalio/testing is not installed (${errorMessage(error)})`;
  }
  await mkdir(download.directory, { recursive: true });
  const failure = await runDownload(testing, download);
  if (failure !== undefined) return failure;
  const names = (await readdir(download.directory)).filter((name) => !name.endsWith('.downloading'));
  if (names.length !== 1) return `the SDK left ${names.length} files where one was expected`;
  await rename(path.join(download.directory, String(names[0])), download.target);
  return undefined;
}

function runDownload(testing: string, download: SdkDownload): Promise<string | undefined> {
  const { kind, version, directory } = download;
  return new Promise((resolve) => {
    let output = '';
    let killedBecause: string | undefined;
    const child = spawn(process.execPath, ['-e', DOWNLOAD_PROGRAM, testing, kind, version, directory], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_CHARACTERS_MAX);
    });
    const watch = watchGrowth(download, (reason) => {
      killedBecause = reason;
      child.kill('SIGKILL');
    });
    const finish = (failure: string | undefined): void => {
      clearInterval(watch);
      resolve(failure);
    };
    child.once('error', (error) => finish(error.message));
    child.once('close', (code) => {
      if (code === 0) finish(undefined);
      else finish(killedBecause ?? (reasonIn(output) || `the SDK's download ended with exit code ${code}`));
    });
  });
}

function watchGrowth(download: SdkDownload, giveUp: (reason: string) => void): NodeJS.Timeout {
  let size = 0;
  let grewAt = Date.now();
  return setInterval(() => {
    const now = sizeOfFiles(download.directory);
    if (now > size) {
      size = now;
      grewAt = Date.now();
      download.report?.(`${Math.round(size / MEGABYTE)} MB downloaded`);
    }
    const limit = size === 0 ? FIRST_BYTE_TIMEOUT_MS : STALL_TIMEOUT_MS;
    if (Date.now() - grewAt > limit) giveUp(`nothing arrived for ${limit / 1000} s`);
  }, POLL_MS);
}

function sizeOfFiles(directory: string): number {
  let total = 0;
  for (const name of readdirSync(directory)) {
    total += statSync(path.join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return total;
}

/** The SDK wraps the reason in several layers that each repeat the address; the innermost one says it. */
function reasonIn(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  return line
    .slice(line.lastIndexOf('): ') + 1)
    .replace(/^: /, '')
    .trim();
}
