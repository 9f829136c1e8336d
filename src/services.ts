import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSConfig } from '@temporalio/common/lib/internal-non-workflow';
import { createActivities, type Activities } from './activities';
import { createRuleBook } from './activities/rules';
import { currentClient, successors } from './activities/successors';
import { createTargetBook } from './activities/targets';
import { createSmsChannel } from './channels/sms';
import type { Config } from './config';
import { createLagReader, type LagReader } from './database/lag';
import { createPool, type Pool } from './database/pool';
import { createSecretBox, type SecretBox } from './database/secrets';
import type { Places } from './domain/orders';
import { createHttpPaymentGateway } from './gateways/http-payments';
import { createLogger, type Logger } from './log';
import { createMetrics, type Metrics } from './metrics';

/** What both processes need. Opened here and nowhere else; closed in the opposite order. */
export interface Services {
  config: Config;
  log: Logger;
  pool: Pool;
  places: Places;
  secretBox: SecretBox;
  lag: LagReader;
  metrics: Metrics;
  close(): Promise<void>;
}

/** @param name - of the process, for the database's and the logs' readers */
export function openServices(config: Config, name: string): Services {
  const log = createLogger({ level: config.logLevel, name });
  const pool = createPool({ url: config.databaseUrl, size: config.databasePoolSize, name, log });
  const lag = createLagReader(pool);
  return {
    config,
    log,
    pool,
    lag,
    metrics: createMetrics(lag),
    places: { temporalUiUrl: config.temporal.uiUrl, namespace: config.temporal.namespace },
    secretBox: createSecretBox(config.secretsKey),
    close: () => pool.end(),
  };
}

/** The parts that only a worker has: the payment gateway, the channels, the targets. Picks real or simulated by address. */
export function openActivities(services: Services): { activities: Activities; close(): Promise<void> } {
  const { config, log, pool, places, secretBox, metrics } = services;
  const gateway = createHttpPaymentGateway({
    baseUrl: config.paymentUrl,
    timeoutMs: config.paymentTimeoutMs,
    ...(config.paymentApiKey === undefined ? {} : { apiKey: config.paymentApiKey }),
  });
  const { accountSid, authToken, from, baseUrl } = config.twilio;
  const sms = createSmsChannel({
    accountSid,
    authToken,
    from,
    timeoutMs: config.notify.timeoutMs,
    ...(baseUrl === undefined ? {} : { baseUrl }),
  });
  const dependencies = {
    allowPrivate: config.allowPrivateTargets,
    logger: log,
    brokers: config.brokers,
    pool,
    temporal: currentClient,
  };
  const targets = createTargetBook({ pool, box: secretBox, dependencies });
  const activities = createActivities({
    pool,
    log,
    metrics,
    places,
    gateway,
    targets,
    successors,
    channels: { sms },
    rules: createRuleBook(pool),
    waits: {
      firstLookUpMs: config.notify.firstLookUpMs,
      secondLookUpMs: config.notify.secondLookUpMs,
      unsentRetryMs: UNSENT_RETRY_MS,
    },
    providerTimeoutMs: config.notify.timeoutMs,
    eventRetentionDays: config.eventRetentionDays,
    now: () => new Date(),
    random: Math.random,
  });
  return {
    activities,
    async close() {
      await targets.close();
      sms.close();
      await gateway.close();
    },
  };
}

/** A call that was certainly not processed may be tried again soon: the provider said "later" or was not reached. */
const UNSENT_RETRY_MS = 5_000;

/** How client and worker reach Temporal: the same address, TLS and API key for both. */
export function temporalConnection(config: Config): { address: string; apiKey?: string; tls?: TLSConfig } {
  const { address, tls, apiKey } = config.temporal;
  return {
    address,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
  };
}

function tlsOptions(tls: NonNullable<Config['temporal']['tls']>): TLSConfig {
  return {
    ...(tls.serverName === undefined ? {} : { serverNameOverride: tls.serverName }),
    ...(tls.serverCa === undefined ? {} : { serverRootCACertificate: tls.serverCa }),
    ...(tls.clientCert === undefined || tls.clientKey === undefined
      ? {}
      : { clientCertPair: { crt: tls.clientCert, key: tls.clientKey } }),
  };
}

/** The version of this build, for the logs and the API document. */
export function readVersion(): string {
  const text = readFileSync(join(__dirname, '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
