import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheDirectory, setting, type Environment } from './cache';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres';
import { stopLeftovers } from './pid-files';
import { findFreePort } from './ports';
import { startProcess, type ManagedProcess } from './processes';
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

export interface PartsOptions {
  environment: Environment;
  dataDirectory: string;
  /** Where the compiled programs are. */
  programs: string;
  say: (line: string) => void;
}

/** Source: the HTTP contract, "Access", ports. */
const PORTS = {
  api: 3000,
  temporal: 7233,
  webUi: 8233,
  metrics: 9464,
  postgres: 54329,
  twilio: 4010,
  payments: 4011,
};

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
    const starting = [startPostgres, startTemporal, startTwilio, startPayments].map(async (start) => {
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

interface Started {
  name: string;
  /** Settings that lead API and worker to it. */
  settings: Record<string, string>;
  places: [name: string, place: string][];
  process: ManagedProcess;
  stop(): Promise<void>;
}

type Ports = Record<keyof typeof PORTS, number>;

async function choosePorts({ environment, say }: PartsOptions): Promise<Ports> {
  const taken = new Set<number>();
  const ports = { ...PORTS };
  const names = {
    api: 'API',
    temporal: 'Temporal',
    webUi: 'Web UI',
    metrics: 'worker metrics',
    postgres: 'PostgreSQL',
    twilio: 'fake Twilio',
    payments: 'fake payments',
  };
  for (const part of Object.keys(PORTS) as (keyof Ports)[]) {
    const preferred = part === 'api' ? Number(setting(environment, 'PORT') ?? PORTS.api) : PORTS[part];
    ports[part] = await findFreePort({ name: names[part], preferred, taken, say });
    taken.add(ports[part]);
  }
  return ports;
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

async function startTwilio(options: PartsOptions, ports: Ports): Promise<Started | null> {
  if (has(options.environment, 'TWILIO_ACCOUNT_SID')) return null;
  const url = `http://127.0.0.1:${ports.twilio}`;
  const settings = {
    // Any account and token do for the fake; the sender is one of Twilio's magic numbers, which is valid.
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'fake',
    TWILIO_FROM: '+15005550006',
    TWILIO_WHATSAPP_FROM: '+15005550006',
    TWILIO_VOICE_FROM: '+15005550006',
    AFTERCOMMIT_TWILIO_URL: url,
  };
  return startFake(options, {
    name: 'fake Twilio',
    program: 'fake-twilio',
    url,
    port: ports.twilio,
    settings,
  });
}

async function startPayments(options: PartsOptions, ports: Ports): Promise<Started | null> {
  if (has(options.environment, 'AFTERCOMMIT_PAYMENT_URL')) return null;
  const url = `http://127.0.0.1:${ports.payments}`;
  const settings = { AFTERCOMMIT_PAYMENT_URL: url };
  return startFake(options, {
    name: 'fake payments',
    program: 'fake-payments',
    url,
    port: ports.payments,
    settings,
  });
}

async function startFake(
  { dataDirectory, programs }: PartsOptions,
  fake: { name: string; program: string; url: string; port: number; settings: Record<string, string> },
): Promise<Started> {
  const child = await startProcess({
    name: fake.name,
    command: process.execPath,
    args: [
      path.join(programs, 'dev', `${fake.program}.js`),
      '--port',
      String(fake.port),
      '--log',
      path.join(dataDirectory, `${fake.program}.jsonl`),
    ],
    logFile: path.join(dataDirectory, `${fake.program}.log`),
    pidFile: path.join(dataDirectory, `${fake.program}.pid.json`),
  });
  const { name, settings, url } = fake;
  return {
    name,
    settings,
    places: [[name, url]],
    process: child,
    stop: async () => void (await child.stop()),
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
    allEmbedded: started.length === 4,
    firstToEnd: Promise.race(started.map(async (part) => (await part.process.exited, part.name))),
    stop,
  };
}

/** Made once and kept with the data that it encrypts. */
function secretsKey(dataDirectory: string): string {
  const file = path.join(dataDirectory, 'secrets-key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

/** Set by itself, or through a file. */
function has(environment: Environment, name: string): boolean {
  return setting(environment, name) !== undefined || setting(environment, `${name}_FILE`) !== undefined;
}
