import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';
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

describe('configuration', () => {
  it('fills in the defaults', () => {
    expect(readConfig(fine)).toMatchObject({ host: '127.0.0.1', port: 3000, rateLimit: null, apiKeys: [] });
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
