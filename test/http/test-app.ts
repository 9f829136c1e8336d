import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Client } from '@temporalio/client';
import { createLagReader } from '../../src/database/lag';
import { createMetrics } from '../../src/metrics';
import { readInstallation } from '../../src/database/installation';
import type { Pool } from '../../src/database/pool';
import { createSecretBox } from '../../src/database/secrets';
import { configureServer, createApp, type Health, type HttpDeps } from '../../src/http/app';
import { phoneHash } from '../database/place';
import { silentLog } from '../support/database';

export const PLACES = { temporalUiUrl: 'http://127.0.0.1:8233', namespace: 'default' };

/** Health that a test sets by hand. */
export type SettableHealth = { -readonly [Member in keyof Health]: Health[Member] };

export function healthy(): SettableHealth {
  const health: SettableHealth = {
    database: true,
    temporal: true,
    migrationsMissing: [],
    draining: false,
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    drain: () => void (health.draining = true),
  };
  return health;
}

export interface TestApp {
  url: string;
  port: number;
  health: SettableHealth;
  server: Server;
  close(): Promise<void>;
}

/** For tests of what is placed in the standard lane only. */
const noLane: HttpDeps['flash'] = {
  isOpen: false,
  place: () => Promise.reject(new Error('nothing is to be placed in the flash lane')),
  close: () => Promise.resolve(),
};
const noAdmission: HttpDeps['sales'] = {
  look: () => 'ask',
  hear: () => undefined,
  read: () => Promise.reject(new Error('no sale is to be read')),
  close: () => Promise.resolve(),
};

/** The app on a free port of loopback, over a real database. */
export async function startTestApp(
  pool: Pool,
  temporal: Client,
  overrides: Partial<HttpDeps> = {},
): Promise<TestApp> {
  const health = healthy();
  const lag = createLagReader(pool);
  const app = createApp({
    pool,
    temporal,
    decisions: null,
    lane: 'standard',
    flash: noLane,
    sales: noAdmission,
    log: silentLog,
    installation: await readInstallation(pool),
    places: PLACES,
    secretBox: createSecretBox(Buffer.alloc(32, 7)),
    access: { keys: [], rateLimit: null },
    allowPrivateTargets: false,
    countries: null,
    health,
    lag,
    metrics: createMetrics(lag),
    version: '0.0.0-test',
    publicUrl: null,
    twilio: { isSigned: () => false, isFrom: () => false },
    participantWebhooks: { payments: null, stripe: null, carrier: null },
    participants: { carrier: true, points: true, cart: true },
    phoneHash,
    ...overrides,
  });
  const server = configureServer(createServer(app));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    health,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Rows of every table: what bad input must not change. */
export async function rowCounts(pool: Pool): Promise<Record<string, number>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'aftercommit' order by table_name`,
  );
  const counts = tables.map(
    ({ name }) => `select '${name}' as name, count(*)::int as n from aftercommit."${name}"`,
  );
  const { rows } = await pool.query<{ name: string; n: number }>(counts.join(' union all '));
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: Record<string, unknown>;
}

/** Sends a request; an object becomes a JSON body, a text is sent as it is. */
export async function ask(
  app: Pick<TestApp, 'url'>,
  method: string,
  path: string,
  options: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { body, headers = {} } = options;
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

/** A sound order. */
export function newOrder(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    customer: { id: 'cus_1', phone: '+15005550006', channels: ['sms'] },
    lines: [{ sku: 'SKU-1', quantity: 2, unitPriceMinor: 999 }],
    currency: 'EUR',
    payment: { mode: 'none' },
    ...changes,
  };
}
