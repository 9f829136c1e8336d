import path from 'node:path';
import { ConfigError } from '../errors';
import { cacheDirectory, setting, type Environment } from './cache';
import { findOnPath, isExecutableFile, runCommand } from './commands';
import { intoPlace } from './into-place';
import { withLock } from './lock';
import { tryWithProgress } from './progress';
import { downloadThroughSdk } from './sdk-download';

/** Server 1.29.1 and Web UI 2.42.1. A later CLI cannot be had by `go install`: its go.mod has a replace line. */
const CLI_VERSION = '1.5.1';
const GO_MODULE = `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`;
/** The first server where update-with-start, which every order uses, is generally available. */
const SERVER_MINIMUM = [1, 28] as const;

const VERSION_TIMEOUT_MS = 15_000;
/** Measured: 60 MB, 10 to 30 s on a usual line. */
const DOWNLOAD_ESTIMATE_MS = 30_000;
/** Measured: 2.5 minutes on 2 cores. */
const BUILD_ESTIMATE_MS = 180_000;
const BUILD_TIMEOUT_MS = 20 * 60_000;

/** What looking for the CLI asks of the outside; tests replace it. */
export interface CliProbes {
  findOnPath(name: string): Promise<string | undefined>;
  isExecutable(file: string): Promise<boolean>;
  /** Major and minor version of the server inside; undefined when the program does not tell. */
  serverVersion(executable: string): Promise<readonly [number, number] | undefined>;
  /** Puts the program at `target`; returns why it could not. */
  download(target: string): Promise<string | undefined>;
  /** Puts the program at `target`; returns why it could not. */
  build(target: string, goCommand: string): Promise<string | undefined>;
}

/**
 * Finds the Temporal CLI, whose `server start-dev` is the development server with the Web UI: TEMPORAL_CLI_PATH, then
 * `temporal` on PATH, then our cache, then the download of Temporal's SDK, then `go install` of the official source.
 * What was downloaded or built is kept in the cache.
 * @returns the path of the program
 * @throws ConfigError that names all of these ways when none leads to it
 */
export async function findTemporalCli(options: {
  env: Environment;
  say: (line: string) => void;
  probes?: CliProbes;
}): Promise<string> {
  const { env, say } = options;
  const probes = options.probes ?? systemProbes(env);
  const chosen = setting(env, 'TEMPORAL_CLI_PATH');
  if (chosen !== undefined) return requireUsable(chosen, probes);

  const installed = await probes.findOnPath('temporal');
  if (installed !== undefined) {
    const problem = await problemWith(installed, probes);
    if (problem === undefined) return installed;
    say(`${installed} is passed over: ${problem}.`);
  }

  const cached = path.join(cacheDirectory(env), `temporal-cli-${CLI_VERSION}`, executableName());
  if (await probes.isExecutable(cached)) return cached;
  const onWait = (pid: number): void => say(`Waiting for process ${pid}, which fetches the Temporal CLI.`);
  return withLock({ file: `${path.dirname(cached)}.lock`, onWait }, async () => {
    // The one we waited for may have put it there.
    if (await probes.isExecutable(cached)) return cached;
    return fetchCli({ target: cached, probes, say });
  });
}

async function fetchCli(options: {
  target: string;
  probes: CliProbes;
  say: (line: string) => void;
}): Promise<string> {
  const { target, probes, say } = options;
  const refusal = await probes.download(target);
  if (refusal === undefined) return target;
  const go = await probes.findOnPath('go');
  if (go === undefined) throw notFound({ download: refusal, build: 'there is no `go` on PATH' });
  say(`The download of the Temporal CLI is refused (${refusal}); it is built from its source instead.`);
  const failure = await probes.build(target, go);
  if (failure === undefined) return target;
  throw notFound({ download: refusal, build: failure });
}

/** The path that somebody chose is used or refused, never silently replaced. */
async function requireUsable(executable: string, probes: CliProbes): Promise<string> {
  const problem = (await probes.isExecutable(executable))
    ? await problemWith(executable, probes)
    : 'it is not an executable file';
  if (problem === undefined) return executable;
  throw new ConfigError(`TEMPORAL_CLI_PATH=${executable} cannot be used: ${problem}.`);
}

async function problemWith(executable: string, probes: CliProbes): Promise<string | undefined> {
  const version = await probes.serverVersion(executable);
  if (version === undefined) return 'it does not tell its version as the Temporal CLI does';
  const [major, minor] = version;
  const [majorMinimum, minorMinimum] = SERVER_MINIMUM;
  if (major > majorMinimum || (major === majorMinimum && minor >= minorMinimum)) return undefined;
  return `its server is ${major}.${minor}, and ${SERVER_MINIMUM.join('.')} or later is needed`;
}

function notFound(reasons: { download: string; build: string }): ConfigError {
  return new ConfigError(
    [
      'No Temporal server can be had. Any one of these ways is enough:',
      '  - set TEMPORAL_ADDRESS to a server that runs already',
      '  - set TEMPORAL_CLI_PATH to the `temporal` program',
      '  - install `temporal` so that it is on PATH (https://docs.temporal.io/cli)',
      `  - allow the download of Temporal's SDK, or set HTTPS_PROXY (tried: ${reasons.download})`,
      `  - install Go, for \`go install ${GO_MODULE}\` (tried: ${reasons.build})`,
    ].join('\n'),
  );
}

function systemProbes(env: Environment): CliProbes {
  return {
    findOnPath: (name) => findOnPath(name, env),
    isExecutable: isExecutableFile,
    serverVersion,
    download: downloadCli,
    build: (target, goCommand) => buildCli({ target, goCommand, env }),
  };
}

async function serverVersion(executable: string): Promise<readonly [number, number] | undefined> {
  const result = await runCommand({
    command: executable,
    args: ['--version'],
    timeoutMs: VERSION_TIMEOUT_MS,
  });
  const match = /Server (\d+)\.(\d+)/i.exec(result.output);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

async function downloadCli(target: string): Promise<string | undefined> {
  return intoPlace(target, (partial) =>
    tryWithProgress({ title: 'Asking for the Temporal CLI', estimateMs: DOWNLOAD_ESTIMATE_MS }, (report) =>
      downloadThroughSdk({
        kind: 'dev-server',
        version: `v${CLI_VERSION}`,
        directory: path.join(partial, 'download'),
        target: path.join(partial, executableName()),
        report,
      }),
    ),
  );
}

async function buildCli(options: {
  target: string;
  goCommand: string;
  env: Environment;
}): Promise<string | undefined> {
  const { target, goCommand, env } = options;
  return intoPlace(target, (partial) =>
    tryWithProgress({ title: 'Building the Temporal CLI', estimateMs: BUILD_ESTIMATE_MS }, async (report) => {
      let compiled = 0;
      const result = await runCommand({
        command: goCommand,
        args: ['install', '-v', GO_MODULE],
        cwd: partial,
        env: { ...env, GOBIN: partial, GOFLAGS: '' },
        timeoutMs: BUILD_TIMEOUT_MS,
        onLine: (line) =>
          report(line.startsWith('go: ') ? line.slice(4) : `${(compiled += 1)} packages compiled`),
      });
      if (result.succeeded) return undefined;
      return `${result.failure}: ${result.output.split('\n').at(-1) ?? ''}`;
    }),
  );
}

function executableName(): string {
  return process.platform === 'win32' ? 'temporal.exe' : 'temporal';
}
