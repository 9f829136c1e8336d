import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client as TemporalClient, Connection } from '@temporalio/client';
import { Client as DatabaseClient } from 'pg';
import { readConfig } from '../../src/config';
import { findFreePort } from '../../src/dev/ports';
import { untilPolled } from '../../src/dev/pollers';
import { startProcess, type ManagedProcess } from '../../src/dev/processes';
import type { TemporalServer } from '../../src/dev/temporal-server';
import { setUpTemporal } from '../../src/setup';
import { check, readLogs, type Violation } from '../chaos/checker';
import type { Counts } from '../chaos/evidence';
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy';
import { spellingStatements } from '../chaos/statement-texts';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { startLocalTemporal } from '../support/temporal';
import { waitFor } from '../support/wait';

/** The compiled programs, as in production. `npm test` builds them first; otherwise `node scripts/build.mjs`. */
const PROGRAMS = path.resolve(__dirname, '../../dist');

/** The phone number that must be found nowhere but where it belongs. Valid and nobody's: 555-0100 to 0199 are for fiction. */
export const PHONE_CANARY = '+14155550187';

const FAKES = ['twilio', 'payments', 'carrier', 'points', 'cart', 'sink'] as const;
export type Fake = (typeof FAKES)[number];

/** Each link runs through a proxy of its own, so that a fault hits one process and not the other. */
export interface Links {
  workerDatabase: FaultProxy;
  workerTemporal: FaultProxy;
  workerTwilio: FaultProxy;
  workerPayments: FaultProxy;
  workerCarrier: FaultProxy;
  workerPoints: FaultProxy;
  workerCart: FaultProxy;
  apiDatabase: FaultProxy;
  apiTemporal: FaultProxy;
}

export interface StackOptions {
  /** Faults can be made on the links. Default false: the processes are connected directly. */
  withLinks?: boolean;
  /**
   * API and worker are one process, `service`, as `worker` and `api()` name it then; its links are the worker's. Default
   * false: two.
   */
  combined?: boolean;
  /** How late the gateway answers `tok_timeout_then_success`. Default 2,500 ms. */
  lateMs?: number;
  /**
   * Whether payments and carrier tell the API by webhooks from the start. Default true; `controlFake` changes it, and
   * loses, doubles and delays them.
   */
  webhooks?: boolean;
  /** Further settings of API and worker. */
  settings?: Record<string, string>;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed text. */
  body: Record<string, unknown>;
}

/** A whole system of its own: database, Temporal, fakes, API and worker, each a process of its own. */
export interface Stack {
  /** Of the API. */
  url: string;
  /** Direct, beside every proxy. */
  database: TestDatabase;
  temporal: TemporalClient;
  temporalServer: TemporalServer;
  links: Links;
  fakeUrls: Record<Fake, string>;
  /** Evidence of the fakes, JSONL. */
  logFiles: Record<Fake, string>;
  /** What API and worker have written, all starts. */
  processLogs(): string;
  /** Every history that Temporal has, as text with its payloads decoded. */
  histories(): Promise<string>;
  /** Waits until nothing is under way, then says everything that breaks an invariant in all that this stack has done. */
  violations(counts?: Counts): Promise<Violation[]>;
  request(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<HttpAnswer>;
  /** Puts units on the shelf and returns the SKU. */
  stock(sku: string, available: number): Promise<string>;
  placeOrder(order: NewOrder): Promise<HttpAnswer>;
  orderStatus(orderId: string): Promise<string>;
  /** Sends events of these types, or all of them, to a path of the sink. */
  sendToSink(rule: SinkRule): Promise<void>;
  startWorker(): Promise<void>;
  /** kill -9: nothing is finished, nothing is told. Resolves when the process is gone. */
  killWorker(): Promise<void>;
  restartWorker(): Promise<void>;
  /** SIGSTOP: it stands still, and after a while Temporal takes it for dead. Another one may be started beside it. */
  suspendWorker(): SuspendedWorker;
  /** Starts one more API (or `service`, where that is what there is) on another port, connected directly. */
  startAnother(): Promise<{ url: string; process: ManagedProcess }>;
  api(): ManagedProcess;
  stop(): Promise<void>;
}

/** A worker that stands still. */
export interface SuspendedWorker {
  /** SIGCONT: it goes on with what it was at, as if no time had passed. */
  resume(): void;
  /** kill -9. Resolves when it is gone; safe to call again. */
  kill(): Promise<void>;
}

export interface NewOrder {
  key: string;
  sku: string;
  /** Of this sale; default: of none. */
  saleId?: string;
  /** Of the process that is asked; default: the first one. */
  url?: string;
  quantity?: number;
  unitPriceMinor?: number;
  customerId?: string;
  phone?: string;
  /** Default: text messages only. */
  channels?: string[];
  /** A payment method makes it `charge`. */
  method?: string;
  /** Makes it `wait`: it is to be paid within this time. */
  deadlineSeconds?: number;
  /** Where it goes; without it the order does not ship. */
  shipping?: Record<string, string>;
  cartId?: string;
  /** `Prefer: wait=N`, seconds. */
  wait?: number;
}

export interface SinkRule {
  name: string;
  path: string;
  types?: string[];
  /** Instead of the sink's own, for instance of a proxy in front of it. */
  baseUrl?: string;
  /** A pattern for the event's detail. */
  detail?: Record<string, unknown>;
  transformer?: { inputPathsMap?: Record<string, string>; inputTemplate: string };
}

/** Starts everything at once and resolves when an order could be placed. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  if (!existsSync(path.join(PROGRAMS, 'api.js'))) {
    throw new Error('The programs are not built. Run: node scripts/build.mjs');
  }
  const building = new StackBuilder(options);
  try {
    return await building.start();
  } catch (error) {
    await building.stop();
    throw error;
  }
}

class StackBuilder {
  readonly #options: StackOptions;
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-e2e-'));
  /** Undone in the opposite order. */
  readonly #stops: (() => Promise<unknown>)[] = [];
  readonly #taken = new Set<number>();
  /** Signs what payments and carrier tell. */
  readonly #webhookSecret = `whsec_${randomBytes(32).toString('base64')}`;
  #environment: Record<string, string> = {};
  #worker: ManagedProcess | null = null;
  #api: () => ManagedProcess = () => {
    throw new Error('there is no API yet');
  };
  #starts = 0;

  constructor(options: StackOptions) {
    this.#options = options;
  }

  async start(): Promise<Stack> {
    const port = await this.#port();
    const [database, temporalServer, twilio, payments, carrier, points, cart, sink] = await settle([
      this.#own(createTestDatabase(), (made) => made.drop()),
      this.#own(startLocalTemporal({ ui: false }), (server) => server.stop()),
      this.#startFake('twilio'),
      this.#startFake('payments', [
        ...['--late-ms', String(this.#options.lateMs ?? 2_500)],
        ...this.#webhooksTo('payments', port),
      ]),
      this.#startFake('carrier', this.#webhooksTo('carrier', port)),
      this.#startFake('points'),
      this.#startFake('cart'),
      this.#startFake('sink'),
    ] as const);
    const fakeUrls = { twilio, payments, carrier, points, cart, sink };
    const upstream = { database: database.url, temporal: `tcp://${temporalServer.address}` };
    const links = await this.#makeLinks({ ...upstream, twilio, payments, carrier, points, cart });
    this.#environment = environmentOf(this.#options, port, fakeUrls, this.#webhookSecret);
    const direct = { DATABASE_URL: database.url, TEMPORAL_ADDRESS: temporalServer.address };
    const config = readConfig({ ...this.#environment, ...direct });
    await setUpTemporal(config);

    const url = `http://127.0.0.1:${port}`;
    const programs = await this.#startPrograms(url, {
      api: this.#linked(direct, links, 'api'),
      worker: this.#linked(direct, links, 'worker'),
      another: direct,
    });
    await this.#untilReady(url);
    await untilPolled(config);

    const connection = await Connection.connect({ address: temporalServer.address });
    this.#stops.push(() => connection.close());
    const temporal = new TemporalClient({ connection });
    const parts = { url, database, temporal, temporalServer, fakeUrls, links };
    return this.#describe(parts, programs);
  }

  async stop(): Promise<void> {
    const failures: unknown[] = [];
    for (const stop of this.#stops.splice(0).reverse())
      await stop().catch((error: unknown) => failures.push(error));
    rmSync(this.#directory, { recursive: true, force: true });
    if (failures.length > 0) throw failures[0];
  }

  #describe(
    parts: Pick<Stack, 'url' | 'database' | 'temporal' | 'temporalServer' | 'fakeUrls' | 'links'>,
    { api, startWorker, startAnother }: RunningPrograms,
  ): Stack {
    const call = createCaller(parts.url);
    const takeWorker = (): ManagedProcess => {
      const worker = this.#worker;
      if (worker === null) throw new Error('there is no worker');
      this.#worker = null;
      return worker;
    };
    const killWorker = (): Promise<void> => kill(takeWorker());
    const suspendWorker = (): SuspendedWorker => {
      const worker = takeWorker();
      this.#stops.push(() => kill(worker));
      process.kill(worker.pid, 'SIGSTOP');
      return { resume: () => void process.kill(worker.pid, 'SIGCONT'), kill: () => kill(worker) };
    };
    const logOf = (name: string): string => path.join(this.#directory, `${name}.log`);
    const processLogs = (): string =>
      (this.#options.combined === true ? ['service'] : ['api', 'worker'])
        .map((name) => readFileSync(logOf(name), 'utf8'))
        .join('');
    const logFiles = Object.fromEntries(FAKES.map((fake) => [fake, this.#evidence(fake)])) as Record<
      Fake,
      string
    >;
    const keys: string[] = [];
    return {
      ...parts,
      ...businessOf(call, parts.fakeUrls.sink, keys),
      logFiles,
      processLogs,
      histories: () => historiesOf(parts.temporal),
      violations: async (counts) => {
        const texts = async (): Promise<{ name: string; text: string }[]> => [
          { name: 'a history', text: await historiesOf(parts.temporal) },
          { name: 'a log', text: processLogs() },
        ];
        return violationsOf(parts.database.url, logFiles, { keys, texts, counts });
      },
      request: call,
      startWorker,
      startAnother,
      killWorker,
      suspendWorker,
      restartWorker: async () => {
        if (this.#worker !== null) await killWorker();
        await startWorker();
      },
      api,
      stop: () => this.stop(),
    };
  }

  /** Keeps what was started to be stopped, also when something beside it fails. */
  async #own<T>(starting: Promise<T>, stop: (started: T) => Promise<unknown>): Promise<T> {
    const started = await starting;
    this.#stops.push(() => stop(started));
    return started;
  }

  async #port(): Promise<number> {
    const port = await findFreePort({ name: 'test', preferred: 0, taken: this.#taken });
    this.#taken.add(port);
    return port;
  }

  #evidence(fake: Fake): string {
    return path.join(this.#directory, `fake-${fake}.jsonl`);
  }

  #webhooksTo(route: 'payments' | 'carrier', apiPort: number): string[] {
    const file = path.join(this.#directory, 'webhook-secret');
    writeFileSync(file, this.#webhookSecret, { mode: 0o600 });
    const url = `http://127.0.0.1:${apiPort}/webhooks/${route}`;
    const to = this.#options.webhooks === false ? [] : ['--webhook-url', url];
    return ['--webhook-secrets', file, ...to];
  }

  async #startFake(fake: Fake, more: string[] = []): Promise<string> {
    const port = await this.#port();
    const args = ['--port', String(port), '--log', this.#evidence(fake), ...more];
    const child = await this.#startChild(`fake-${fake}`, `dev/fake-${fake}.js`, args, {});
    this.#stops.push(() => child.stop());
    const url = `http://127.0.0.1:${port}`;
    await waitFor(`fake ${fake} listens`, async () => (await fetch(`${url}/_log`)).ok, {
      describe: () => child.lastLines(),
    });
    return url;
  }

  /** The product itself: two programs, or one. */
  async #startPrograms(
    url: string,
    settings: Record<'api' | 'worker' | 'another', Record<string, string>>,
  ): Promise<RunningPrograms> {
    const start = (
      name: 'api' | 'worker' | 'service',
      own: Record<string, string>,
    ): Promise<ManagedProcess> => this.#startChild(name, `${name}.js`, [], { ...this.#environment, ...own });
    const isCombined = this.#options.combined === true;
    const api = isCombined ? null : await this.#own(start('api', settings.api), (child) => child.stop());
    this.#api = () => api ?? this.#worker!;
    this.#stops.push(async () => this.#worker?.stop());
    const startWorker = async (): Promise<void> => {
      this.#worker = await start(isCombined ? 'service' : 'worker', settings.worker);
      if (isCombined) await this.#untilReady(url);
    };
    await startWorker();
    const startAnother = async (): Promise<{ url: string; process: ManagedProcess }> => {
      const port = await this.#port();
      const own = { ...settings.another, PORT: String(port) };
      const child = await this.#own(start(isCombined ? 'service' : 'api', own), (one) => one.stop());
      await this.#untilReady(`http://127.0.0.1:${port}`);
      return { url: `http://127.0.0.1:${port}`, process: child };
    };
    return { api: this.#api, startWorker, startAnother };
  }

  #startChild(
    name: string,
    program: string,
    args: string[],
    settings: Record<string, string>,
  ): Promise<ManagedProcess> {
    this.#starts += 1;
    return startProcess({
      name,
      command: process.execPath,
      args: [path.join(PROGRAMS, program), ...args],
      // Not ours: the settings of the test run are none of the product's.
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings },
      logFile: path.join(this.#directory, `${name}.log`),
      pidFile: path.join(this.#directory, `${name}.${this.#starts}.pid.json`),
      stopTimeoutMs: 40_000,
    });
  }

  async #makeLinks(
    upstream: Record<'database' | 'temporal' | 'twilio' | WorkersParticipant, string>,
  ): Promise<Links> {
    const make = (url: string, spell?: (bytes: Buffer) => Buffer): Promise<FaultProxy> =>
      this.#own(startFaultProxy(addressOf(url), spell), (proxy) => proxy.close());
    return {
      workerDatabase: await make(upstream.database, spellingStatements()),
      workerTemporal: await make(upstream.temporal),
      workerTwilio: await make(upstream.twilio),
      workerPayments: await make(upstream.payments),
      workerCarrier: await make(upstream.carrier),
      workerPoints: await make(upstream.points),
      workerCart: await make(upstream.cart),
      apiDatabase: await make(upstream.database, spellingStatements()),
      apiTemporal: await make(upstream.temporal),
    };
  }

  #linked(
    direct: { DATABASE_URL: string; TEMPORAL_ADDRESS: string },
    links: Links,
    name: 'api' | 'worker',
  ): Record<string, string> {
    if (this.#options.withLinks !== true) return direct;
    const database = new URL(direct.DATABASE_URL);
    database.hostname = '127.0.0.1';
    database.port = String(links[`${name}Database`].port);
    return {
      DATABASE_URL: database.href,
      TEMPORAL_ADDRESS: `127.0.0.1:${links[`${name}Temporal`].port}`,
      ...(name === 'worker' ? participantsBehind(links) : {}),
    };
  }

  async #untilReady(url: string): Promise<void> {
    await waitFor('the API is ready', async () => (await fetch(`${url}/readyz`)).ok, {
      deadlineMs: 60_000,
      describe: () => `${this.#api().lastLines()}\n${this.#worker?.lastLines() ?? ''}`,
    });
  }
}

/** The product's own processes. */
interface RunningPrograms extends Pick<Stack, 'startAnother'> {
  api: () => ManagedProcess;
  startWorker: () => Promise<void>;
}

type WorkersParticipant = 'payments' | 'carrier' | 'points' | 'cart';

/** What the worker alone calls. */
function participantsBehind(links: Links): Record<string, string> {
  const at = ({ port }: FaultProxy): string => `http://127.0.0.1:${port}`;
  return {
    AFTERCOMMIT_TWILIO_URL: at(links.workerTwilio),
    AFTERCOMMIT_PAYMENT_URL: at(links.workerPayments),
    AFTERCOMMIT_CARRIER_URL: at(links.workerCarrier),
    AFTERCOMMIT_POINTS_URL: at(links.workerPoints),
    AFTERCOMMIT_CART_URL: at(links.workerCart),
  };
}

/** kill -9, also of one that stands still. */
async function kill(worker: ManagedProcess): Promise<void> {
  if (worker.isRunning()) process.kill(worker.pid, 'SIGKILL');
  await worker.exited;
}

/** Short waits: what takes half a minute in production takes half a second here. */
function environmentOf(
  options: StackOptions,
  port: number,
  fakes: Record<Fake, string>,
  webhookSecret: string,
): Record<string, string> {
  return {
    HOST: '127.0.0.1',
    PORT: String(port),
    AFTERCOMMIT_METRICS_PORT: '0',
    LOG_LEVEL: 'info',
    TEMPORAL_NAMESPACE: 'default',
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'fake',
    TWILIO_FROM: '+15005550006',
    TWILIO_WHATSAPP_FROM: '+15005550006',
    TWILIO_VOICE_FROM: '+15005550006',
    AFTERCOMMIT_PUBLIC_URL: `http://127.0.0.1:${port}`,
    // One number for all orders of a test.
    AFTERCOMMIT_NOTIFY_DAILY_MAX: '0',
    AFTERCOMMIT_TWILIO_URL: fakes.twilio,
    AFTERCOMMIT_TWILIO_TIMEOUT_MS: '1500',
    AFTERCOMMIT_NOTIFY_FIRST_LOOK_UP_MS: '200',
    AFTERCOMMIT_NOTIFY_SECOND_LOOK_UP_MS: '500',
    AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS: '2000',
    // A report that an outage of ours swallowed is not sent again.
    AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'whatsapp=5,sms=5,voice=5',
    AFTERCOMMIT_PAYMENT_URL: fakes.payments,
    AFTERCOMMIT_PAYMENT_TIMEOUT_MS: '1000',
    AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: webhookSecret,
    AFTERCOMMIT_CARRIER_URL: fakes.carrier,
    AFTERCOMMIT_CARRIER_TIMEOUT_MS: '1000',
    AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: webhookSecret,
    AFTERCOMMIT_POINTS_URL: fakes.points,
    AFTERCOMMIT_POINTS_TIMEOUT_MS: '1000',
    AFTERCOMMIT_CART_URL: fakes.cart,
    AFTERCOMMIT_CART_TIMEOUT_MS: '1000',
    AFTERCOMMIT_SECRETS_KEY: randomBytes(32).toString('base64'),
    AFTERCOMMIT_ALLOW_PRIVATE_TARGETS: 'true',
    ...options.settings,
  };
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

type Caller = Stack['request'];

function createCaller(apiUrl: string): Caller {
  return async (method, url, body, headers = {}) => {
    const response = await fetch(new URL(url, apiUrl), {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, headers: response.headers, text, body: parsed };
  };
}

async function succeeding(answering: Promise<HttpAnswer>): Promise<HttpAnswer> {
  const answer = await answering;
  if (answer.status >= 300) throw new Error(`answered ${answer.status}: ${answer.text}`);
  return answer;
}

/** @param keys - gets every key that an order was asked for with */
function businessOf(
  call: Caller,
  sinkUrl: string,
  keys: string[],
): Pick<Stack, 'stock' | 'placeOrder' | 'orderStatus' | 'sendToSink'> {
  return {
    async stock(sku, available) {
      await succeeding(call('PUT', `/v1/inventory/${sku}`, { available }));
      return sku;
    },
    placeOrder: (order) => {
      keys.push(order.key);
      const path = order.saleId === undefined ? '/v1/orders' : `/v1/sales/${order.saleId}/orders`;
      return call('POST', `${order.url ?? ''}${path}`, orderBody(order), {
        'idempotency-key': order.key,
        ...(order.wait === undefined ? {} : { prefer: `wait=${order.wait}` }),
      });
    },
    async orderStatus(orderId) {
      const { body } = await succeeding(call('GET', `/v1/orders/${orderId}`));
      return String(body['status']);
    },
    async sendToSink({ name, path: sinkPath, types, transformer, detail, baseUrl = sinkUrl }) {
      const target = { kind: 'http', url: `${baseUrl}${sinkPath}`, timeoutMs: 2_000 };
      await succeeding(call('PUT', `/v1/targets/${name}`, target));
      const pattern = {
        source: ['ecommerce.orders'],
        ...(types === undefined ? {} : { 'detail-type': types }),
        ...(detail === undefined ? {} : { detail }),
      };
      const targets = [{ target: name, ...(transformer === undefined ? {} : { transformer }) }];
      await succeeding(call('PUT', `/v1/rules/${name}`, { pattern, targets }));
    },
  };
}

async function historiesOf(temporal: TemporalClient): Promise<string> {
  const texts: string[] = [];
  for await (const { workflowId, runId } of temporal.workflow.list()) {
    texts.push(JSON.stringify(await temporal.workflow.getHandle(workflowId, runId).fetchHistory()));
  }
  // Payloads are base64 in JSON.
  return texts
    .join('\n')
    .replace(/"data":"([A-Za-z0-9+/=]*)"/g, (_whole, data: string) =>
      Buffer.from(data, 'base64').toString('utf8'),
    );
}

/** A delivery whose sender died is taken over after 40 s. */
const AT_REST_MS = 60_000;
/** Without keys the API calls everybody so. */
const CALLER = 'local';

async function violationsOf(
  databaseUrl: string,
  logFiles: Record<Fake, string>,
  run: { keys: string[]; texts: () => Promise<{ name: string; text: string }[]>; counts: Counts | undefined },
): Promise<Violation[]> {
  const client = new DatabaseClient({ connectionString: databaseUrl });
  await client.connect();
  const checkNow = (texts: { name: string; text: string }[] = []): Promise<Violation[]> =>
    check({
      database: client,
      ...readLogs(logFiles),
      keys: [...new Set(run.keys)].map((key) => ({ caller: CALLER, key })),
      canary: PHONE_CANARY,
      texts,
      ...(run.counts === undefined ? {} : { counts: run.counts }),
    });
  try {
    const atRest = async (): Promise<boolean> =>
      (await checkNow()).every(({ name }) => name !== 'INV-LIVE' && name !== 'INV-NO-LOSS');
    // What never comes to rest is a violation, and is told as one.
    await waitFor('everything is at rest', atRest, { deadlineMs: AT_REST_MS }).catch(() => undefined);
    return await checkNow(await run.texts());
  } finally {
    await client.end();
  }
}

/** The body of `POST /v1/orders`. */
export function orderBody(order: Omit<NewOrder, 'key'>): Record<string, unknown> {
  const { sku, quantity = 1, unitPriceMinor = 1_000, customerId = 'cus_1', phone = PHONE_CANARY } = order;
  const { channels = ['sms'], shipping, cartId } = order;
  return {
    customer: { id: customerId, phone, channels },
    lines: [{ sku, quantity, unitPriceMinor }],
    currency: 'EUR',
    payment: paymentOf(order),
    ...(shipping === undefined ? {} : { shipping }),
    ...(cartId === undefined ? {} : { cartId }),
  };
}

function paymentOf({ method, deadlineSeconds }: Omit<NewOrder, 'key'>): Record<string, unknown> {
  if (deadlineSeconds !== undefined) return { mode: 'wait', deadlineSeconds };
  return method === undefined ? { mode: 'none' } : { mode: 'charge', method };
}

/** All or the first failure, but only once every one has ended: what was started must be known before it is stopped. */
async function settle<T extends readonly Promise<unknown>[]>(
  work: T,
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as {
    -readonly [Index in keyof T]: Awaited<T[Index]>;
  };
}
