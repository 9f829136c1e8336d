import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { TLSConfig } from '@temporalio/common/lib/internal-non-workflow';
import { createActivities, type Activities } from './activities';
import type { DeliveryDeps } from './activities/deliveries';
import { createWorkflowRuns } from './activities/reconciliation-runs';
import { createRecords } from './activities/records';
import { createRuleBook } from './activities/rules';
import { createSuccessors } from './activities/successors';
import { createTargetBook } from './activities/targets';
import { createSilenceWatch } from './activities/silence-watch';
import { createTemplateBook } from './activities/templates';
import { createStatusCallbacks, type StatusCallbacks } from './channels/status-callback';
import { createTwilioSignatures, type TwilioSignatures } from './channels/twilio-signature';
import { createTwilioChannels, type TwilioChannels } from './channels/twilio-channels';
import type { Config } from './config';
import { createLagReader, type LagReader } from './database/lag';
import { createPhoneHash, type PhoneHash } from './database/phone-hash';
import { createPool, type Pool } from './database/pool';
import { createSecretBox, type SecretBox } from './database/secrets';
import { createDecisions, type Decisions } from './domain/decisions';
import type { Places } from './domain/orders';
import { openParticipants, participantsOf } from './participants';
import { createLogger, type Logger } from './log';
import { createMetrics, type Metrics } from './metrics';

/** What every process needs. Opened here and nowhere else; closed in the opposite order. */
export interface Services {
  config: Config;
  log: Logger;
  pool: Pool;
  places: Places;
  secretBox: SecretBox;
  phoneHash: PhoneHash;
  lag: LagReader;
  metrics: Metrics;
  /** From the worker's commits to the requests that wait for them, where both are in this process. */
  decisions: Decisions;
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
    phoneHash: createPhoneHash(config.secretsKey),
    decisions: createDecisions(),
    close: () => pool.end(),
  };
}

/** What sends events and messages, by activities or outside of any. */
export interface DeliveryParts {
  deps: DeliveryDeps;
  close(): Promise<void>;
}

/**
 * Targets, rules, channels, templates and the watch over silence: all that deliveries need. No worker is needed for them.
 * Nothing is connected before the first send.
 * @param client - starts what goes on with a delivery or a message, and workflows that are targets
 */
export function openDeliveries(services: Services, client: () => Client): DeliveryParts {
  const { config, log, pool, secretBox, metrics } = services;
  const now = (): Date => new Date();
  const successors = createSuccessors(client);
  const twilio = openTwilio(config);
  const targets = createTargetBook({
    pool,
    box: secretBox,
    dependencies: {
      allowPrivate: config.allowPrivateTargets,
      logger: log,
      brokers: config.brokers,
      pool,
      temporal: client,
    },
  });
  const deps: DeliveryDeps = {
    pool,
    log,
    metrics,
    records: createRecords(pool),
    targets,
    successors,
    channels: twilio.channels,
    templates: createTemplateBook(pool),
    reachRules: {
      configured: new Set(Object.keys(twilio.channels)),
      countries: config.notify.countries,
      dailyMax: config.notify.dailyMax,
      timeZone: config.notify.timeZone,
      quietHours: config.notify.quietHours,
    },
    channelRates: config.notify.rates,
    rules: createRuleBook(pool),
    waits: config.notify.waits,
    silence: createSilenceWatch({ successors, silenceMs: config.notify.waits.silenceMs, log, now }),
    providerTimeoutMs: config.notify.timeoutMs,
    now,
    random: Math.random,
  };
  return {
    deps,
    async close() {
      await targets.close();
      twilio.close();
    },
  };
}

/** What only a worker has: the participants, and all activities. Picks real or simulated by address. */
export function openActivities(
  services: Services,
  deliveries: DeliveryParts,
  client: () => Client,
): { activities: Activities; close(): Promise<void> } {
  const { config, log, places, phoneHash, decisions } = services;
  const participants = openParticipants(config, deliveries.deps.now);
  const activities = createActivities({
    ...deliveries.deps,
    log,
    places,
    phoneHash,
    decisions,
    gateway: participants.gateway,
    carrier: participants.carrier,
    points: participants.points,
    cart: participants.cart,
    participants: participantsOf(config),
    retention: config.retention,
    runs: createWorkflowRuns(client),
  });
  return { activities, close: () => participants.close() };
}

function openTwilio(config: Config): TwilioChannels {
  const { accountSid, authToken, from, whatsappFrom, voiceFrom, baseUrl } = config.twilio;
  const callbacks = openCallbacks(config);
  return createTwilioChannels({
    accountSid,
    authToken,
    from: { sms: from, whatsapp: whatsappFrom, voice: voiceFrom },
    timeoutMs: config.notify.timeoutMs,
    statusCallbackUrl: (attemptId) => callbacks.urlFor(attemptId),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  });
}

/**
 * The URLs that the provider reports at, and what tells its reports from those of others. The real one refuses a message
 * whose reports would go to a loopback address, so there is none then: outcomes are asked for instead.
 */
function openCallbacks({ publicUrl, secretsKey, twilio }: Config): StatusCallbacks {
  const isOutOfReach =
    publicUrl !== null && twilio.baseUrl === undefined && LOOPBACK.test(new URL(publicUrl).hostname);
  return createStatusCallbacks({ publicUrl: isOutOfReach ? null : publicUrl, key: secretsKey });
}

/** What tells the provider's webhooks from anybody else's. */
export function openTwilioWebhooks(config: Config): TwilioSignatures & Pick<StatusCallbacks, 'isFrom'> {
  const { authToken, secondaryAuthToken } = config.twilio;
  const authTokens = secondaryAuthToken === undefined ? [authToken] : [authToken, secondaryAuthToken];
  const signatures = createTwilioSignatures({ authTokens });
  const callbacks = openCallbacks(config);
  return {
    isSigned: (request) => signatures.isSigned(request),
    isFrom: (attemptId, token) => callbacks.isFrom(attemptId, token),
  };
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

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
