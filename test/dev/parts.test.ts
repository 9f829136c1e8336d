import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfig } from '../../src/config';
import { startParts, type Parts } from '../../src/dev/parts';
import { openParticipantWebhooks } from '../../src/participants';
import { eventually, evidenceOf } from './fake-control';
import { startWebhookReceiver } from './webhook-receiver';

/** The compiled programs, which `npm test` builds first. */
const PROGRAMS = path.resolve(__dirname, '../../dist');

/** Real ones that nobody answers for: they are named, so they are not started. */
const NAMED = {
  DATABASE_URL: 'postgres://127.0.0.1:9/db',
  TEMPORAL_ADDRESS: '127.0.0.1:9',
};

/** Not the usual ones, which another test may use at the same time. */
const PORTS = {
  api: 23000,
  temporal: 23001,
  webUi: 23002,
  metrics: 23003,
  postgres: 23004,
  twilio: 24010,
  payments: 24011,
  carrier: 24013,
  points: 24014,
  cart: 24015,
};

describe('the simulated participants of npm start', () => {
  const stops: (() => void | Promise<void>)[] = [];
  const temporary = (): string => {
    const directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-parts-'));
    stops.push(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  };
  const start = async (
    dataDirectory: string,
    environment: Record<string, string> = {},
  ): Promise<{ parts: Parts; said: string[] }> => {
    const said: string[] = [];
    const parts = await startParts({
      environment: { ...NAMED, ...environment },
      dataDirectory,
      programs: PROGRAMS,
      ports: PORTS,
      say: (line) => void said.push(line),
    });
    stops.push(() => parts.stop());
    return { parts, said };
  };
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  const untilListening = (url: string): Promise<void> =>
    eventually(async () => (await fetch(`${url}/_control`).catch(() => null))?.ok === true);

  it('run each on its own, with what leads API and worker to them', async () => {
    const directory = temporary();

    const { parts } = await start(directory);

    const config = readConfig(parts.environment);
    const places = new Map(parts.places);
    expect(config).toMatchObject({
      payment: { kind: 'http', baseUrl: places.get('fake payments') },
      carrier: { baseUrl: places.get('fake carrier') },
      points: { baseUrl: places.get('fake points') },
      cart: { baseUrl: places.get('fake cart') },
      twilio: { baseUrl: places.get('fake Twilio') },
    });
    for (const name of ['payments', 'carrier', 'points', 'cart']) {
      await untilListening(places.get(`fake ${name}`)!);
      expect(existsSync(path.join(directory, `fake-${name}.pid.json`))).toBe(true);
    }
    // The database and Temporal are somebody's own: no sample order is placed there.
    expect(parts.allEmbedded).toBe(false);
  });

  it('tell the API what they did, signed with a secret that only it knows', async () => {
    const { parts } = await start(temporary());
    const config = readConfig(parts.environment);
    const receiver = await startWebhookReceiver(config.port);
    stops.push(() => receiver.stop());
    const { baseUrl } = config.carrier!;
    const send = (method: string, route: string, body: unknown) =>
      fetch(`${baseUrl}${route}`, { method, body: JSON.stringify(body) });
    await untilListening(baseUrl);

    await send('PUT', '/v1/shipments/shp_1', {
      orderId: 'ord_1',
      address: { name: 'Ada', line1: 'Street 1', postalCode: '10115', city: 'Berlin', country: 'DE' },
      lines: [{ sku: 'SKU-1', quantity: 1 }],
    });
    await send('POST', '/_tracking', { shipmentId: 'shp_1', status: 'shipped' });

    await eventually(() => receiver.received.length > 0);
    const webhooks = openParticipantWebhooks(config, () => new Date());
    const [shipped] = receiver.received;
    expect(shipped?.path).toBe('/webhooks/carrier');
    expect(webhooks.carrier?.read(shipped!)).toMatchObject({ kind: 'event' });
    expect(webhooks.payments?.read(shipped!)).toMatchObject({ kind: 'refused' });
  });

  it('go on after a restart with what they did and with the same secrets, which nobody else may read', async () => {
    const directory = temporary();
    const first = await start(directory);
    const before = readConfig(first.parts.environment);
    await untilListening(before.cart!.baseUrl);
    await fetch(`${before.cart!.baseUrl}/v1/carts/clear`, {
      method: 'POST',
      body: JSON.stringify({ cartId: 'cart_1', orderId: 'ord_1' }),
    });
    await first.parts.stop();

    const second = await start(directory);

    const after = readConfig(second.parts.environment);
    await untilListening(after.cart!.baseUrl);
    expect(await evidenceOf(after.cart!.baseUrl, 'cleared')).toHaveLength(1);
    expect(after.webhookSecrets).toEqual(before.webhookSecrets);
    expect(after.secretsKey).toEqual(before.secretsKey);
    for (const fake of ['payments', 'carrier']) {
      const file = path.join(directory, `fake-${fake}.webhook-secret`);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(path.join(directory, `fake-${fake}.jsonl`), 'utf8')).not.toContain('whsec_');
    }
  });

  it('take the next free port beside another system, and say so', async () => {
    const first = readConfig((await start(temporary())).parts.environment);
    await Promise.all([first.carrier, first.points, first.cart].map((one) => untilListening(one!.baseUrl)));

    const { parts, said } = await start(temporary());

    const second = readConfig(parts.environment);
    for (const name of ['carrier', 'points', 'cart'] as const) {
      const port = new URL(second[name]!.baseUrl).port;
      expect(second[name]!.baseUrl).not.toBe(first[name]!.baseUrl);
      expect(said.join('\n')).toMatch(new RegExp(`is busy: fake ${name} uses ${port}\\.`));
    }
  });

  it('stay away where the environment names real ones', async () => {
    const real = {
      STRIPE_SECRET_KEY: 'sk_test_1',
      AFTERCOMMIT_CARRIER_URL: 'https://carrier.example',
      AFTERCOMMIT_POINTS_URL: 'https://points.example',
      AFTERCOMMIT_CART_URL: 'https://cart.example',
    };

    const { parts } = await start(temporary(), real);

    expect(parts.places.map(([name]) => name)).toEqual(['API', 'API document', 'fake Twilio']);
    expect(readConfig(parts.environment)).toMatchObject({
      payment: { kind: 'stripe' },
      carrier: { baseUrl: 'https://carrier.example' },
      webhookSecrets: { payments: [], carrier: [] },
    });
  });
});
