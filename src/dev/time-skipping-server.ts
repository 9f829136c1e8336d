import path from 'node:path';
import { ConfigError } from '../errors';
import { cacheDirectory, setting, type Environment } from './cache';
import { findOnPath, isExecutableFile, runCommand } from './commands';
import { intoPlace } from './into-place';
import { withLock } from './lock';
import { installWithMaven, MAVEN_ARTIFACT, MAVEN_VERSION } from './maven-test-server';
import { tryWithProgress } from './progress';
import { downloadThroughSdk } from './sdk-download';

/** Goes into `server.executable` of TestWorkflowEnvironment.createTimeSkipping. */
export interface ExistingExecutable {
  type: 'existing-path';
  path: string;
}

/** What the SDK downloads is chosen by the SDK's version. */
const SDK_VERSION = '1.24.0';

const VERSION_TIMEOUT_MS = 15_000;
/** Measured: 80 MB, 10 to 30 s on a usual line. */
const DOWNLOAD_ESTIMATE_MS = 30_000;
/** What looking for the server asks of the outside; tests replace it. */
export interface TimeSkippingProbes {
  findOnPath(name: string): Promise<string | undefined>;
  isExecutable(file: string): Promise<boolean>;
  /** True when the command runs; a macOS without Java has a `java` that only says so. */
  runs(command: string): Promise<boolean>;
  /** Puts the program at `target`; returns why it could not. */
  download(target: string): Promise<string | undefined>;
  /** Puts the libraries and a script that starts them at `target`; returns why it could not. */
  installWithMaven(target: string, maven: string): Promise<string | undefined>;
}

/**
 * Finds Temporal's time-skipping test server: AFTERCOMMIT_TEST_SERVER_PATH, then our cache, then the download of
 * Temporal's SDK, then the Maven artifact run by Java. What was fetched is kept in the cache.
 * @throws ConfigError that names all of these ways when none leads to it
 */
export async function findTimeSkippingServer(options: {
  env: Environment;
  say: (line: string) => void;
  probes?: TimeSkippingProbes;
}): Promise<ExistingExecutable> {
  const { env, say } = options;
  const probes = options.probes ?? systemProbes(env);
  const chosen = setting(env, 'AFTERCOMMIT_TEST_SERVER_PATH');
  if (chosen !== undefined) {
    if (await probes.isExecutable(chosen)) return existing(chosen);
    throw new ConfigError(`AFTERCOMMIT_TEST_SERVER_PATH=${chosen} is not an executable file.`);
  }
  const places = placesIn(cacheDirectory(env));
  const cached = await findCached(places, probes);
  if (cached !== undefined) return existing(cached);
  const onWait = (pid: number): void => say(`Waiting for process ${pid}, which fetches the test server.`);
  return withLock({ file: `${path.dirname(places.maven)}.lock`, onWait }, async () =>
    existing((await findCached(places, probes)) ?? (await fetchServer({ places, probes, say }))),
  );
}

interface Places {
  sdk: string;
  maven: string;
}

function placesIn(cache: string): Places {
  return {
    sdk: path.join(cache, `temporal-test-server-sdk-${SDK_VERSION}`, 'temporal-test-server'),
    maven: path.join(cache, `temporal-test-server-${MAVEN_VERSION}`, 'temporal-test-server'),
  };
}

/** The Maven one is of no use once Java is gone. */
async function findCached(places: Places, probes: TimeSkippingProbes): Promise<string | undefined> {
  if (await probes.isExecutable(places.sdk)) return places.sdk;
  if ((await probes.isExecutable(places.maven)) && (await workingJava(probes))) return places.maven;
  return undefined;
}

async function fetchServer(options: {
  places: Places;
  probes: TimeSkippingProbes;
  say: (line: string) => void;
}): Promise<string> {
  const { places, probes, say } = options;
  const refusal = await probes.download(places.sdk);
  if (refusal === undefined) return places.sdk;
  const java = await workingJava(probes);
  const maven = await probes.findOnPath('mvn');
  const missing = [java ? '' : '`java`', maven === undefined ? '`mvn`' : ''].filter((name) => name !== '');
  if (maven === undefined || missing.length > 0) {
    throw notFound({ download: refusal, maven: `there is no working ${missing.join(' and no ')} on PATH` });
  }
  say(`The download of the test server is refused (${refusal}); Maven's artifact is taken instead.`);
  const failure = await probes.installWithMaven(places.maven, maven);
  if (failure === undefined) return places.maven;
  throw notFound({ download: refusal, maven: failure });
}

async function workingJava(probes: TimeSkippingProbes): Promise<boolean> {
  const java = await probes.findOnPath('java');
  return java !== undefined && (await probes.runs(java));
}

function existing(file: string): ExistingExecutable {
  return { type: 'existing-path', path: file };
}

function notFound(reasons: { download: string; maven: string }): ConfigError {
  return new ConfigError(
    [
      'The time-skipping test server, which the workflow tests need, cannot be had. Any one of these ways is enough:',
      '  - set AFTERCOMMIT_TEST_SERVER_PATH to the program `temporal-test-server`',
      `  - allow the download of Temporal's SDK, or set HTTPS_PROXY (tried: ${reasons.download})`,
      `  - install Java 11 or later and Maven, for ${MAVEN_ARTIFACT} (tried: ${reasons.maven})`,
    ].join('\n'),
  );
}

function systemProbes(env: Environment): TimeSkippingProbes {
  return {
    findOnPath: (name) => findOnPath(name, env),
    isExecutable: isExecutableFile,
    runs: async (command) =>
      (await runCommand({ command, args: ['-version'], timeoutMs: VERSION_TIMEOUT_MS })).succeeded,
    download: downloadServer,
    installWithMaven: (target, maven) => installWithMaven({ target, maven, env }),
  };
}

async function downloadServer(target: string): Promise<string | undefined> {
  return intoPlace(target, (partial) =>
    tryWithProgress(
      { title: 'Asking for the time-skipping test server', estimateMs: DOWNLOAD_ESTIMATE_MS },
      (report) =>
        downloadThroughSdk({
          kind: 'time-skipping',
          version: 'default',
          directory: path.join(partial, 'download'),
          target: path.join(partial, path.basename(target)),
          report,
        }),
    ),
  );
}
