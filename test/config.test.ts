import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import { readConfig } from '../src/config';

const fine = {
  DATABASE_URL: 'postgres://localhost/db',
  TEMPORAL_ADDRESS: '127.0.0.1:7233',
  TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
  TWILIO_AUTH_TOKEN: 'token',
  TWILIO_FROM: '+15005550006',
  AFTERCOMMIT_PAYMENT_URL: 'http://127.0.0.1:4011',
  AFTERCOMMIT_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
};
const hash = createHash('sha256').update('key').digest('hex');
const newSecret = (bytes = 32): string => `whsec_${randomBytes(bytes).toString('base64')}`;

describe('configuration', () => {
  it('fills in the defaults', () => {
    expect(readConfig(fine)).toMatchObject({ host: '127.0.0.1', port: 3000, rateLimit: null, apiKeys: [] });
    expect([readConfig(fine).lane, readConfig({ ...fine, AFTERCOMMIT_LANE: 'flash' }).lane]).toEqual([
      'standard',
      'flash',
    ]);
  });

  it('names every variable that is missing or wrong, all at once, and no value', () => {
    const wrong = {
      ...fine,
      DATABASE_URL: 'mysql://user:hunter2@host/db',
      PORT: 'http',
      TWILIO_FROM: '',
      AFTERCOMMIT_POOL: '0',
    };

    const message = messageOf(() =>
      readConfig({ ...wrong, HOST: '0.0.0.0', TEMPORAL_TLS_CLIENT_KEY_PATH: '/nowhere' }),
    );

    for (const name of [
      'HOST: without',
      'TEMPORAL_TLS_CLIENT_KEY_PATH: the file',
      'DATABASE_URL',
      'PORT',
      'TWILIO_FROM: is missing',
      'AFTERCOMMIT_POOL: there is no such setting',
    ]) {
      expect(message).toContain(name);
    }
    expect(message).not.toContain('hunter2');
  });

  it.each([
    [{ PORT: '70000' }, 'PORT'],
    [{ AFTERCOMMIT_DATABASE_POOL_SIZE: '0' }, 'AFTERCOMMIT_DATABASE_POOL_SIZE'],
    [{ AFTERCOMMIT_PAYMENT_TIMEOUT_MS: '-1' }, 'AFTERCOMMIT_PAYMENT_TIMEOUT_MS'],
    [{ AFTERCOMMIT_RATE_LIMIT: '100' }, 'AFTERCOMMIT_RATE_LIMIT'],
    [{ AFTERCOMMIT_LANE: 'fast' }, 'AFTERCOMMIT_LANE'],
    [{ AFTERCOMMIT_SECRETS_KEY: 'short' }, 'AFTERCOMMIT_SECRETS_KEY'],
    [{ AFTERCOMMIT_API_KEYS: 'name:abc:orders:read' }, 'AFTERCOMMIT_API_KEYS'],
    [{ AFTERCOMMIT_API_KEYS: `name:${hash}:root` }, 'AFTERCOMMIT_API_KEYS'],
    [{ TEMPORAL_ADDRESS: 'http://host' }, 'TEMPORAL_ADDRESS'],
    [{ aftercommit_public_url: 'http://x' }, 'aftercommit_public_url'],
    [{ HOST: '0.0.0.0' }, 'HOST'],
    [{ TEMPORAL_TLS_CLIENT_CERT_PATH: '/nowhere' }, 'TEMPORAL_TLS_CLIENT_CERT_PATH'],
    [{ TWILIO_WHATSAPP_FROM: '12' }, 'TWILIO_WHATSAPP_FROM'],
    [{ TWILIO_VOICE_FROM: 'whatsapp:+15005550006' }, 'TWILIO_VOICE_FROM'],
    [{ AFTERCOMMIT_NOTIFY_RATES: 'sms=0' }, 'AFTERCOMMIT_NOTIFY_RATES'],
    [{ AFTERCOMMIT_NOTIFY_RATES: 'pigeon=3' }, 'AFTERCOMMIT_NOTIFY_RATES'],
    [{ AFTERCOMMIT_NOTIFY_RATES: 'sms=1,sms=2' }, 'AFTERCOMMIT_NOTIFY_RATES'],
    [{ AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'sms' }, 'AFTERCOMMIT_NOTIFY_SILENCE_SECONDS'],
    [{ AFTERCOMMIT_NOTIFY_COUNTRIES: 'Germany' }, 'AFTERCOMMIT_NOTIFY_COUNTRIES'],
    [{ AFTERCOMMIT_NOTIFY_TIME_ZONE: 'Mars/Olympus' }, 'AFTERCOMMIT_NOTIFY_TIME_ZONE'],
    [{ AFTERCOMMIT_NOTIFY_QUIET_HOURS: '22-8' }, 'AFTERCOMMIT_NOTIFY_QUIET_HOURS'],
    [{ AFTERCOMMIT_NOTIFY_QUIET_HOURS: '25:00-08:00' }, 'AFTERCOMMIT_NOTIFY_QUIET_HOURS'],
    [{ DATABASE_URL_FILE: '/nowhere', DATABASE_URL: '' }, 'DATABASE_URL_FILE'],
    [{ AFTERCOMMIT_PAYMENT_URL: '' }, 'AFTERCOMMIT_PAYMENT_URL: is missing; set it, or STRIPE_SECRET_KEY'],
    [{ AFTERCOMMIT_PAYMENT_URL: 'ftp://host' }, 'AFTERCOMMIT_PAYMENT_URL'],
    [{ STRIPE_SECRET_KEY: 'sk_test_1' }, 'AFTERCOMMIT_PAYMENT_URL, STRIPE_SECRET_KEY: there is one'],
    [{ AFTERCOMMIT_PAYMENT_URL: '', STRIPE_SECRET_KEY: 'pk_test_1' }, 'STRIPE_SECRET_KEY: must begin'],
    [{ AFTERCOMMIT_STRIPE_URL: 'http://127.0.0.1:4016' }, 'AFTERCOMMIT_STRIPE_URL: has no use'],
    [{ AFTERCOMMIT_STRIPE_URL: 'stripe.com' }, 'AFTERCOMMIT_STRIPE_URL: must be a URL'],
    [{ AFTERCOMMIT_STRIPE_RETURN_URL: '/back' }, 'AFTERCOMMIT_STRIPE_RETURN_URL: must be a URL'],
    [{ STRIPE_WEBHOOK_SECRET: 'secret' }, 'STRIPE_WEBHOOK_SECRET: must begin with whsec_'],
    [{ AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: 'whsec_short' }, 'AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS'],
    [{ AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: newSecret(23) }, 'AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS'],
    [{ AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: `${newSecret()},` }, 'AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS'],
    [{ AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: newSecret(65) }, 'AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS'],
    [{ AFTERCOMMIT_CARRIER_URL: 'carrier' }, 'AFTERCOMMIT_CARRIER_URL: must be a URL'],
    [{ AFTERCOMMIT_CARRIER_API_KEY: 'key' }, 'AFTERCOMMIT_CARRIER_API_KEY: has no use without'],
    [{ AFTERCOMMIT_CARRIER_TIMEOUT_MS: '13000' }, 'AFTERCOMMIT_CARRIER_TIMEOUT_MS'],
    [{ AFTERCOMMIT_POINTS_URL: 'points' }, 'AFTERCOMMIT_POINTS_URL: must be a URL'],
    [{ AFTERCOMMIT_POINTS_API_KEY: 'key' }, 'AFTERCOMMIT_POINTS_API_KEY: has no use without'],
    [{ AFTERCOMMIT_POINTS_TIMEOUT_MS: '99' }, 'AFTERCOMMIT_POINTS_TIMEOUT_MS'],
    [{ AFTERCOMMIT_CART_URL: 'cart' }, 'AFTERCOMMIT_CART_URL: must be a URL'],
    [{ AFTERCOMMIT_CART_API_KEY: 'key' }, 'AFTERCOMMIT_CART_API_KEY: has no use without'],
    [{ AFTERCOMMIT_CART_TIMEOUT_MS: '1.5' }, 'AFTERCOMMIT_CART_TIMEOUT_MS'],
    [{ AFTERCOMMIT_CART_API_KEY_FILE: '/nowhere' }, 'AFTERCOMMIT_CART_API_KEY_FILE: the file'],
  ])('refuses %p', (change, name) => {
    expect(messageOf(() => readConfig({ ...fine, ...change }))).toContain(name);
  });

  it('reads keys with their scopes, and lets the service leave loopback then', () => {
    const config = readConfig({
      ...fine,
      HOST: '0.0.0.0',
      AFTERCOMMIT_API_KEYS: `shop:${hash}:orders:read+orders:write`,
    });

    expect(config.apiKeys).toEqual([
      { caller: 'shop', sha256: hash, scopes: ['orders:read', 'orders:write'] },
    ]);
  });

  it('reads a secret from the file that <NAME>_FILE names', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'config-'));
    const file = path.join(folder, 'token');
    writeFileSync(file, 'from-file\n');

    const config = readConfig({ ...fine, TWILIO_AUTH_TOKEN: '', TWILIO_AUTH_TOKEN_FILE: file });

    expect(config.twilio.authToken).toBe('from-file');
    rmSync(folder, { recursive: true });
  });

  it('names everything that is wrong with participants at once, and prints no secret', () => {
    const message = messageOf(() =>
      readConfig({
        ...fine,
        STRIPE_SECRET_KEY: 'pk_hunter2',
        STRIPE_WEBHOOK_SECRET: 'hunter2',
        AFTERCOMMIT_CARRIER_API_KEY: 'hunter2',
        AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: `${newSecret()},hunter2`,
        AFTERCOMMIT_CART_URL: 'https//user:hunter2@host',
      }),
    );

    for (const name of [
      'AFTERCOMMIT_PAYMENT_URL, STRIPE_SECRET_KEY',
      'STRIPE_SECRET_KEY: must',
      'STRIPE_WEBHOOK_SECRET',
      'AFTERCOMMIT_CARRIER_API_KEY',
      'AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS',
      'AFTERCOMMIT_CART_URL',
    ]) {
      expect(message).toContain(name);
    }
    expect(message).not.toContain('hunter2');
  });

  it('has a payment gateway over HTTP and no other participant unless they are named', () => {
    expect(readConfig({ ...fine, AFTERCOMMIT_PAYMENT_API_KEY: 'key' })).toMatchObject({
      payment: { kind: 'http', baseUrl: 'http://127.0.0.1:4011', apiKey: 'key', timeoutMs: 10_000 },
      carrier: null,
      points: null,
      cart: null,
      webhookSecrets: { payments: [], stripe: [], carrier: [] },
    });
  });

  it('reads the other participants, each with its key, time-out and secrets', () => {
    const [now, before] = [newSecret(), newSecret()];

    const config = readConfig({
      ...fine,
      AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: now,
      AFTERCOMMIT_CARRIER_URL: 'https://carrier.example',
      AFTERCOMMIT_CARRIER_API_KEY: 'carrier-key',
      AFTERCOMMIT_CARRIER_TIMEOUT_MS: '1000',
      AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: `${now}, ${before}`,
      AFTERCOMMIT_POINTS_URL: 'https://points.example',
      AFTERCOMMIT_POINTS_API_KEY: 'points-key',
      AFTERCOMMIT_POINTS_TIMEOUT_MS: '2000',
      AFTERCOMMIT_CART_URL: 'https://cart.example',
      AFTERCOMMIT_CART_API_KEY: 'cart-key',
      AFTERCOMMIT_CART_TIMEOUT_MS: '3000',
    });

    expect(config).toMatchObject({
      carrier: { baseUrl: 'https://carrier.example', apiKey: 'carrier-key', timeoutMs: 1_000 },
      points: { baseUrl: 'https://points.example', apiKey: 'points-key', timeoutMs: 2_000 },
      cart: { baseUrl: 'https://cart.example', apiKey: 'cart-key', timeoutMs: 3_000 },
      webhookSecrets: { payments: [now], stripe: [], carrier: [now, before] },
    });
  });

  it('takes Stripe for the gateway when its key is there, and leaves its webhook secret alone when it is not', () => {
    const stripe = { STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_WEBHOOK_SECRET: 'whsec_1,whsec_2' };

    const config = readConfig({
      ...fine,
      ...stripe,
      AFTERCOMMIT_PAYMENT_URL: '',
      AFTERCOMMIT_STRIPE_RETURN_URL: 'https://shop.example/back',
      AFTERCOMMIT_PAYMENT_TIMEOUT_MS: '5000',
    });

    expect(config.payment).toEqual({
      kind: 'stripe',
      secretKey: 'sk_test_1',
      baseUrl: undefined,
      returnUrl: 'https://shop.example/back',
      timeoutMs: 5_000,
    });
    expect(config.webhookSecrets.stripe).toEqual(['whsec_1', 'whsec_2']);
    expect(readConfig({ ...fine, ...stripe, STRIPE_SECRET_KEY: '' })).toMatchObject({
      payment: { kind: 'http' },
      webhookSecrets: { stripe: [] },
    });
  });

  it('reads what is wished for messages, and has a default for all of it', () => {
    const { notify } = readConfig({
      ...fine,
      AFTERCOMMIT_NOTIFY_RATES: 'sms=10, voice=1',
      AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'sms=5',
      AFTERCOMMIT_NOTIFY_COUNTRIES: 'DE, AT',
      AFTERCOMMIT_NOTIFY_DAILY_MAX: '0',
      AFTERCOMMIT_NOTIFY_QUIET_HOURS: '22:00-08:00',
    });

    expect(notify).toMatchObject({
      rates: { sms: 10, voice: 1 },
      countries: new Set(['DE', 'AT']),
      dailyMax: null,
      quietHours: { from: '22:00', until: '08:00' },
      timeZone: 'UTC',
    });
    expect(notify.waits.silenceMs).toEqual({ whatsapp: 300_000, sms: 5_000, voice: 600_000 });
    expect(readConfig(fine).notify).toMatchObject({
      rates: {},
      countries: null,
      dailyMax: 50,
      quietHours: null,
    });
  });

  it('goes over TLS as soon as an API key is set', () => {
    expect(readConfig({ ...fine, TEMPORAL_API_KEY: 'key' }).temporal.tls).toBeDefined();
    expect(readConfig(fine).temporal.tls).toBeUndefined();
  });

  it.each([
    ['100/1m', { limit: 100, windowMs: 60_000 }],
    ['5/10s', { limit: 5, windowMs: 10_000 }],
  ])('reads the rate limit %s', (text, limit) => {
    expect(readConfig({ ...fine, AFTERCOMMIT_RATE_LIMIT: text }).rateLimit).toEqual(limit);
  });
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid_config' });
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}
