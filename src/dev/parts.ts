import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cacheDirectory, setting, type Environment } from './cache';
import { FAKES } from './embedded-fakes';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres';
import { secretsKey } from './kept-secrets';
import { has, type PartsOptions, type Started } from './part';
import { choosePorts, type Ports } from './part-ports';
import { stopLeftovers } from './pid-files';
import { findTemporalCli } from './temporal-cli';
import { startTemporalServer } from './temporal-server';

/** What runs beside the API and the worker, and what they need to know of it. */
export interface Parts {
  /** The environment for API and worker: ours, with the address of each embedded part filled in. */
  environment: Environment;
  /** Name and address of each part, for people. */
  places: [name: string, place: string][];
  /** True when nothing but embedded parts is used: then a sample order harms nobody. */
  allEmbedded: boolean;
  /** Resolves with the name of the first embedded part that ended by itself. */
  firstToEnd: Promise<string>;
  /** Stops what was started, last first. */
  stop(): Promise<void>;
}

const STARTS = [startPostgres, startTemporal, ...FAKES];

/** Starts every part that the environment does not name, each a process of its own, at once. */
export async function startParts(options: PartsOptions): Promise<Parts> {
  mkdirSync(options.dataDirectory, { recursive: true });
  const left = await stopLeftovers(options.dataDirectory);
  if (left.length > 0) options.say(`Stopped what an earlier start left running: ${left.join(', ')}.`);
  const started: Started[] = [];
  const stop = async (): Promise<void> => {
    for (const part of started.splice(0).reverse()) await part.stop();
  };
  try {
    const ports = await choosePorts(options);
    const starting = STARTS.map(async (start) => {
      const part = await start(options, ports);
      if (part !== null) started.push(part);
      return part;
    });
    const settled = await Promise.allSettled(starting);
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return describeParts(options, ports, started, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Forgets everything: orders, workflows, messages, keys. */
export async function removeData(dataDirectory: string): Promise<void> {
  if (!existsSync(dataDirectory)) return;
  await stopLeftovers(dataDirectory);
  await removeEmbeddedPostgres(path.join(dataDirectory, 'postgres'));
  rmSync(dataDirectory, { recursive: true, force: true });
}

async function startPostgres(
  { environment, dataDirectory }: PartsOptions,
  ports: Ports,
): Promise<Started | null> {
  if (has(environment, 'DATABASE_URL')) return null;
  const server = await startEmbeddedPostgres({
    dataDirectory: path.join(dataDirectory, 'postgres'),
    port: ports.postgres,
    database: 'aftercommit',
    cacheDirectory: cacheDirectory(environment),
  });
  const shown = new URL(server.url);
  shown.password = '';
  return {
    name: 'PostgreSQL',
    settings: { DATABASE_URL: server.url },
    places: [['PostgreSQL', shown.href]],
    process: server.process,
    stop: () => server.stop(),
  };
}

async function startTemporal(
  { environment, dataDirectory, say }: PartsOptions,
  ports: Ports,
): Promise<Started | null> {
  if (has(environment, 'TEMPORAL_ADDRESS')) return null;
  const server = await startTemporalServer({
    executable: await findTemporalCli({ env: environment, say }),
    port: ports.temporal,
    uiPort: ports.webUi,
    namespace: setting(environment, 'TEMPORAL_NAMESPACE') ?? 'default',
    dbFile: path.join(dataDirectory, 'temporal.db'),
    logFile: path.join(dataDirectory, 'temporal.log'),
    pidFile: path.join(dataDirectory, 'temporal.pid.json'),
  });
  const webUi = server.uiUrl ?? '';
  return {
    name: 'Temporal',
    settings: { TEMPORAL_ADDRESS: server.address, AFTERCOMMIT_TEMPORAL_UI_URL: webUi },
    places: [
      ['Temporal', server.address],
      ['Web UI', webUi],
    ],
    process: server.process,
    stop: () => server.stop(),
  };
}

function describeParts(
  { environment, dataDirectory }: PartsOptions,
  ports: Ports,
  started: Started[],
  stop: () => Promise<void>,
): Parts {
  const settings = Object.assign({}, ...started.map((part) => part.settings)) as Record<string, string>;
  const url = `http://127.0.0.1:${ports.api}`;
  return {
    environment: {
      // On loopback, targets on loopback are let through: that is where a developer's receivers are.
      AFTERCOMMIT_ALLOW_PRIVATE_TARGETS: 'true',
      ...(has(environment, 'AFTERCOMMIT_SECRETS_KEY')
        ? {}
        : { AFTERCOMMIT_SECRETS_KEY: secretsKey(dataDirectory) }),
      AFTERCOMMIT_PUBLIC_URL: url,
      ...Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== '')),
      ...settings,
      HOST: '127.0.0.1',
      PORT: String(ports.api),
      AFTERCOMMIT_METRICS_PORT: String(ports.metrics),
    },
    places: [['API', url], ['API document', `${url}/docs`], ...started.flatMap((part) => part.places)],
    allEmbedded: started.length === STARTS.length,
    firstToEnd: Promise.race(started.map(async (part) => (await part.process.exited, part.name))),
    stop,
  };
}
