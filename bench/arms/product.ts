import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readConfig } from '../../src/config';
import { untilPolled } from '../../src/dev/pollers';
import { findFreePort } from '../../src/dev/ports';
import type { ManagedProcess } from '../../src/dev/processes';
import { setUpTemporal } from '../../src/setup';
import type { Arm, ArmPlaces, RunningArm } from './arm';
import { PRODUCT_BOOKS } from './books';
import { startNode, stopAll, untilReady } from './program';

/** The compiled programs, as in production. `npm run bench` builds them first. */
const PROGRAMS = path.resolve(__dirname, '../../dist');
const SERVICE = path.join(PROGRAMS, 'service.js');

export type Lane = 'standard' | 'flash';
/** `one`: API and worker in one process. `apart`: a process each. */
export type Layout = 'one' | 'apart';

/** The product over HTTP, with its real bus and its real channels. */
export function productArm(name: string, title: string, lane: Lane, layout: Layout = 'one'): Arm {
  return {
    name,
    title,
    needsTemporal: true,
    books: PRODUCT_BOOKS,
    unavailable() {
      if (!existsSync(path.join(PROGRAMS, 'api.js')))
        return 'the programs are not built: node scripts/build.mjs';
      return lane === 'flash' && !knowsLanes() ? 'this build has no flash lane' : null;
    },
    start: (places) => startProduct(places, { lane, layout }),
  };
}

export interface ProductOptions {
  lane: Lane;
  layout: Layout;
  /** Further settings. */
  settings?: Record<string, string>;
}

/** The product's processes, and what starts one again that was killed. */
export interface RunningProduct extends RunningArm {
  /** Starts a process like this one. */
  restart(name: string): Promise<ManagedProcess>;
  ready(): Promise<void>;
}

/** Prepares Temporal for the product, starts its processes and waits until they take orders. */
export async function startProduct(places: ArmPlaces, options: ProductOptions): Promise<RunningProduct> {
  const port = await findFreePort({ name: 'API', preferred: 0 });
  const metricsPort = await findFreePort({ name: 'metrics', preferred: 0, taken: new Set([port]) });
  const settings = { ...settingsOf(places, port, metricsPort), ...laneOf(options), ...options.settings };
  const config = readConfig(settings);
  await setUpTemporal(config);
  const url = `http://127.0.0.1:${port}`;
  const start = (name: string): Promise<ManagedProcess> =>
    startNode({ name, file: path.join(PROGRAMS, `${name}.js`), settings, directory: places.directory });
  const inOne = options.layout === 'one' && existsSync(SERVICE);
  const nodes = await Promise.all((inOne ? ['service'] : ['worker', 'api']).map(start));
  const ready = async (): Promise<void> => {
    await untilReady(url, nodes);
    await untilPolled(config);
  };
  try {
    await ready();
  } catch (error) {
    await stopAll(nodes);
    throw error;
  }
  return {
    url,
    nodes,
    engines: [],
    ready,
    async restart(name) {
      const started = await start(name);
      nodes.splice(
        nodes.findIndex((node) => node.name === name),
        1,
        started,
      );
      return started;
    },
    stop: () => stopAll(nodes),
  };
}

/** Only what must be set, and no line for each request: no other arm writes one. */
function settingsOf(places: ArmPlaces, port: number, metricsPort: number): Record<string, string> {
  if (places.temporalAddress === null) throw new TypeError('the product needs Temporal');
  return {
    HOST: '127.0.0.1',
    PORT: String(port),
    AFTERCOMMIT_METRICS_PORT: String(metricsPort),
    LOG_LEVEL: 'warn',
    DATABASE_URL: places.databaseUrl,
    TEMPORAL_ADDRESS: places.temporalAddress,
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'bench',
    TWILIO_FROM: '+15005550006',
    AFTERCOMMIT_TWILIO_URL: places.twilioUrl,
    AFTERCOMMIT_NOTIFY_DAILY_MAX: '0',
    // It must be set, and no order here is paid: nothing listens at the port for "discard".
    AFTERCOMMIT_PAYMENT_URL: 'http://127.0.0.1:9',
    AFTERCOMMIT_SECRETS_KEY: SECRETS_KEY,
    AFTERCOMMIT_ALLOW_PRIVATE_TARGETS: 'true',
  };
}

/** One for the whole run: what one process stored, its successor must be able to read. */
const SECRETS_KEY = randomBytes(32).toString('base64');

function laneOf({ lane }: ProductOptions): Record<string, string> {
  return knowsLanes() ? { AFTERCOMMIT_LANE: lane } : {};
}

/** A build from before there were lanes refuses the setting. */
export function knowsLanes(): boolean {
  return readFileSync(path.join(PROGRAMS, 'config.js'), 'utf8').includes('AFTERCOMMIT_LANE');
}
