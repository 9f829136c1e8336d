import { z } from 'zod';
import { readFiles } from './config/files';
import { problemsOfParticipants } from './config/participants';
import type { Config, Environment, ParticipantSettings, PaymentSettings, TlsFiles } from './config/settings';
import { readTls } from './config/temporal-tls';
import {
  addresses,
  apiKeys,
  countries,
  flag,
  hostAndPort,
  perChannel,
  phoneNumber,
  quietHours,
  rateLimit,
  secretsKey,
  stripeKey,
  stripeWebhookSecrets,
  timeZone,
  url,
  webhookSecrets,
  whatsappSender,
  wholeNumber,
} from './config/values';
import { CHANNELS } from './domain/message-status';
import { DEFAULT_NOTIFICATION_WAITS as WAITS } from './domain/notifications';
import { LONGEST_MANUAL_RETRY_DAYS as KEPT_DAYS_MIN } from './domain/retention';
import { ConfigError } from './errors';

export type { Config, Environment } from './config/settings';

/** Variables whose value may stand in a file that `<NAME>_FILE` names, so that a secret never is in the environment. */
const SECRETS = [
  'DATABASE_URL',
  'TEMPORAL_API_KEY',
  'TWILIO_AUTH_TOKEN',
  'TWILIO_AUTH_TOKEN_SECONDARY',
  'AFTERCOMMIT_API_KEYS',
  'AFTERCOMMIT_PAYMENT_API_KEY',
  'AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS',
  'STRIPE_SECRET_KEY',
  'STRIPE_WEBHOOK_SECRET',
  'AFTERCOMMIT_CARRIER_API_KEY',
  'AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS',
  'AFTERCOMMIT_POINTS_API_KEY',
  'AFTERCOMMIT_CART_API_KEY',
  'AFTERCOMMIT_SECRETS_KEY',
];

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

const variables = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(3000),
  AFTERCOMMIT_METRICS_PORT: wholeNumber(0, 65_535).default(9464),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  DATABASE_URL: url('postgres:', 'postgresql:'),
  AFTERCOMMIT_DATABASE_POOL_SIZE: wholeNumber(1, 1_000).default(20),
  TEMPORAL_ADDRESS: z.string().regex(/^[^\s:/]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, 'must be host:port'),
  TEMPORAL_NAMESPACE: z.string().default('default'),
  TEMPORAL_API_KEY: z.string().optional(),
  TEMPORAL_DEPLOYMENT_NAME: z.string().optional(),
  TEMPORAL_WORKER_BUILD_ID: z.string().optional(),
  TEMPORAL_TLS: flag.optional(),
  TEMPORAL_TLS_SERVER_NAME: z.string().optional(),
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: z.string().optional(),
  TEMPORAL_TLS_CLIENT_CERT_PATH: z.string().optional(),
  TEMPORAL_TLS_CLIENT_KEY_PATH: z.string().optional(),
  TWILIO_ACCOUNT_SID: z.string().regex(/^AC[0-9a-fA-F]{32}$/, 'must be AC and 32 hexadecimal digits'),
  TWILIO_AUTH_TOKEN: z.string(),
  TWILIO_AUTH_TOKEN_SECONDARY: z.string().optional(),
  TWILIO_FROM: z.string(),
  TWILIO_WHATSAPP_FROM: whatsappSender.optional(),
  TWILIO_VOICE_FROM: phoneNumber.optional(),
  AFTERCOMMIT_TWILIO_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_TWILIO_TIMEOUT_MS: wholeNumber(100, 40_000).default(10_000),
  AFTERCOMMIT_NOTIFY_FIRST_LOOK_UP_MS: wholeNumber(0, 3_600_000).default(30_000),
  AFTERCOMMIT_NOTIFY_SECOND_LOOK_UP_MS: wholeNumber(0, 3_600_000).default(60_000),
  AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS: wholeNumber(0, 86_400_000).default(600_000),
  AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: perChannel('1 to 86400', 1, 86_400).default({}),
  AFTERCOMMIT_NOTIFY_RATES: perChannel('1 to 10000', 1, 10_000).default({}),
  AFTERCOMMIT_NOTIFY_COUNTRIES: countries.nullable().default(null),
  AFTERCOMMIT_NOTIFY_DAILY_MAX: wholeNumber(0, 1_000_000).default(50),
  AFTERCOMMIT_NOTIFY_TIME_ZONE: timeZone.default('UTC'),
  AFTERCOMMIT_NOTIFY_QUIET_HOURS: quietHours.nullable().default(null),
  AFTERCOMMIT_PAYMENT_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_PAYMENT_API_KEY: z.string().optional(),
  AFTERCOMMIT_PAYMENT_TIMEOUT_MS: wholeNumber(100, 12_000).default(10_000),
  AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: webhookSecrets.default([]),
  STRIPE_SECRET_KEY: stripeKey.optional(),
  STRIPE_WEBHOOK_SECRET: stripeWebhookSecrets.default([]),
  AFTERCOMMIT_STRIPE_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_STRIPE_RETURN_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_CARRIER_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_CARRIER_API_KEY: z.string().optional(),
  AFTERCOMMIT_CARRIER_TIMEOUT_MS: wholeNumber(100, 12_000).default(10_000),
  AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: webhookSecrets.default([]),
  AFTERCOMMIT_POINTS_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_POINTS_API_KEY: z.string().optional(),
  AFTERCOMMIT_POINTS_TIMEOUT_MS: wholeNumber(100, 12_000).default(10_000),
  AFTERCOMMIT_CART_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_CART_API_KEY: z.string().optional(),
  AFTERCOMMIT_CART_TIMEOUT_MS: wholeNumber(100, 12_000).default(10_000),
  AFTERCOMMIT_LANE: z.enum(['standard', 'flash']).default('standard'),
  AFTERCOMMIT_FLASH_WINDOW_MS: wholeNumber(100, 60_000).default(1_000),
  AFTERCOMMIT_FLASH_QUEUE_MAX: wholeNumber(1, 100_000).default(2_000),
  AFTERCOMMIT_FLASH_BACKLOG_MAX: wholeNumber(1, 100_000).default(200),
  AFTERCOMMIT_EVENT_RETENTION_DAYS: wholeNumber(1, 36_500).default(365),
  AFTERCOMMIT_ORDER_RETENTION_DAYS: wholeNumber(KEPT_DAYS_MIN, 36_500).nullable().default(null),
  AFTERCOMMIT_KEY_RETENTION_DAYS: wholeNumber(KEPT_DAYS_MIN, 36_500).default(90),
  AFTERCOMMIT_OPERATIONS_RETENTION_DAYS: wholeNumber(1, 36_500).default(365),
  AFTERCOMMIT_API_KEYS: apiKeys.default([]),
  AFTERCOMMIT_RATE_LIMIT: rateLimit.nullable().default(null),
  AFTERCOMMIT_SECRETS_KEY: secretsKey,
  AFTERCOMMIT_PUBLIC_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_ALLOW_PRIVATE_TARGETS: flag.default(false),
  AFTERCOMMIT_TEMPORAL_UI_URL: url('http:', 'https:').optional(),
  KAFKA_BROKERS: addresses.default([]),
  ROCKETMQ_ENDPOINTS: hostAndPort.optional(),
  NATS_SERVERS: addresses.default([]),
  AMQP_URL: url('amqp:', 'amqps:').optional(),
});

/** Variables that other parts of the product read: the development command, and the location of its data. */
const KNOWN_ELSEWHERE = [
  'AFTERCOMMIT_DATA_DIR',
  'AFTERCOMMIT_CACHE_DIR',
  'AFTERCOMMIT_TEST_DATABASE_URL',
  'AFTERCOMMIT_TEST_SERVER_PATH',
];

/**
 * Reads and checks the environment.
 * @throws ConfigError that names every variable that is missing or wrong, all at once, and no value of any
 */
export function readConfig(environment: Environment): Config {
  const problems: string[] = [];
  const given = readFiles(environment, SECRETS, problems);
  for (const name of unknownNames(environment)) problems.push(`${name}: there is no such setting`);

  const parsed = variables.safeParse(given);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => describe(issue, given)));
  problems.push(...problemsOfParticipants(given));
  const tls = readTls(given, problems);
  const version = ['TEMPORAL_DEPLOYMENT_NAME', 'TEMPORAL_WORKER_BUILD_ID'];
  if (version.filter((name) => given[name] !== undefined).length === 1) {
    problems.push(`${version.join(', ')}: a version needs both`);
  }
  const isLoopback = given['HOST'] === undefined || LOOPBACK.has(given['HOST']);
  if (!isLoopback && given['AFTERCOMMIT_API_KEYS'] === undefined) {
    problems.push('HOST: without AFTERCOMMIT_API_KEYS the service listens on loopback only');
  }
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(
      `The configuration is wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    );
  }
  return freeze(parsed.data, tls);
}

/** Our own prefix makes a misspelt name recognizable. */
function unknownNames(environment: Environment): string[] {
  const known = new Set([
    ...Object.keys(variables.shape),
    ...SECRETS.map((name) => `${name}_FILE`),
    ...KNOWN_ELSEWHERE,
  ]);
  return Object.keys(environment).filter(
    (name) => /^aftercommit_/i.test(name) && !known.has(name) && environment[name] !== '',
  );
}

function describe(issue: z.core.$ZodIssue, given: Environment): string {
  const name = String(issue.path[0]);
  return `${name}: ${given[name] === undefined ? 'is missing' : issue.message}`;
}

type Variables = z.infer<typeof variables>;

function freeze(values: Variables, tls: TlsFiles | undefined): Config {
  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    metricsPort: values.AFTERCOMMIT_METRICS_PORT,
    logLevel: values.LOG_LEVEL,
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.AFTERCOMMIT_DATABASE_POOL_SIZE,
    temporal: {
      address: values.TEMPORAL_ADDRESS,
      namespace: values.TEMPORAL_NAMESPACE,
      apiKey: values.TEMPORAL_API_KEY,
      tls,
      uiUrl: values.AFTERCOMMIT_TEMPORAL_UI_URL?.replace(/\/$/, '') ?? null,
      deployment: deploymentOf(values),
    },
    twilio: {
      accountSid: values.TWILIO_ACCOUNT_SID,
      authToken: values.TWILIO_AUTH_TOKEN,
      secondaryAuthToken: values.TWILIO_AUTH_TOKEN_SECONDARY,
      from: values.TWILIO_FROM,
      whatsappFrom: values.TWILIO_WHATSAPP_FROM,
      voiceFrom: values.TWILIO_VOICE_FROM,
      baseUrl: values.AFTERCOMMIT_TWILIO_URL,
    },
    ...participantSettings(values),
    apiKeys: values.AFTERCOMMIT_API_KEYS,
    rateLimit: values.AFTERCOMMIT_RATE_LIMIT,
    secretsKey: values.AFTERCOMMIT_SECRETS_KEY,
    publicUrl: values.AFTERCOMMIT_PUBLIC_URL ?? null,
    allowPrivateTargets: values.AFTERCOMMIT_ALLOW_PRIVATE_TARGETS,
    lane: values.AFTERCOMMIT_LANE,
    flash: {
      windowMs: values.AFTERCOMMIT_FLASH_WINDOW_MS,
      queueMax: values.AFTERCOMMIT_FLASH_QUEUE_MAX,
      backlogMax: values.AFTERCOMMIT_FLASH_BACKLOG_MAX,
    },
    notify: notifySettings(values),
    retention: {
      eventDays: values.AFTERCOMMIT_EVENT_RETENTION_DAYS,
      orderDays: values.AFTERCOMMIT_ORDER_RETENTION_DAYS,
      keyDays: values.AFTERCOMMIT_KEY_RETENTION_DAYS,
      operationDays: values.AFTERCOMMIT_OPERATIONS_RETENTION_DAYS,
    },
    brokers: {
      kafka: values.KAFKA_BROKERS,
      rocketmq: values.ROCKETMQ_ENDPOINTS ?? null,
      nats: values.NATS_SERVERS,
      amqp: values.AMQP_URL ?? null,
    },
  });
}

function deploymentOf(values: Variables): Config['temporal']['deployment'] {
  const { TEMPORAL_DEPLOYMENT_NAME: name, TEMPORAL_WORKER_BUILD_ID: buildId } = values;
  return name === undefined || buildId === undefined ? null : { name, buildId };
}

type Participants = Pick<Config, 'payment' | 'carrier' | 'points' | 'cart' | 'webhookSecrets'>;

function participantSettings(values: Variables): Participants {
  return {
    payment: paymentSettings(values),
    carrier: participantAt(values.AFTERCOMMIT_CARRIER_URL, {
      apiKey: values.AFTERCOMMIT_CARRIER_API_KEY,
      timeoutMs: values.AFTERCOMMIT_CARRIER_TIMEOUT_MS,
    }),
    points: participantAt(values.AFTERCOMMIT_POINTS_URL, {
      apiKey: values.AFTERCOMMIT_POINTS_API_KEY,
      timeoutMs: values.AFTERCOMMIT_POINTS_TIMEOUT_MS,
    }),
    cart: participantAt(values.AFTERCOMMIT_CART_URL, {
      apiKey: values.AFTERCOMMIT_CART_API_KEY,
      timeoutMs: values.AFTERCOMMIT_CART_TIMEOUT_MS,
    }),
    webhookSecrets: {
      payments: values.AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS,
      // A standard name, which may be there for another program's sake.
      stripe: values.STRIPE_SECRET_KEY === undefined ? [] : values.STRIPE_WEBHOOK_SECRET,
      carrier: values.AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS,
    },
  };
}

function paymentSettings(values: Variables): PaymentSettings {
  const timeoutMs = values.AFTERCOMMIT_PAYMENT_TIMEOUT_MS;
  if (values.STRIPE_SECRET_KEY !== undefined) {
    return {
      kind: 'stripe',
      secretKey: values.STRIPE_SECRET_KEY,
      baseUrl: values.AFTERCOMMIT_STRIPE_URL,
      returnUrl: values.AFTERCOMMIT_STRIPE_RETURN_URL,
      timeoutMs,
    };
  }
  const baseUrl = values.AFTERCOMMIT_PAYMENT_URL;
  if (baseUrl === undefined)
    throw new RangeError('a configuration without a payment gateway was not refused');
  return { kind: 'http', baseUrl, apiKey: values.AFTERCOMMIT_PAYMENT_API_KEY, timeoutMs };
}

function participantAt(
  baseUrl: string | undefined,
  how: Omit<ParticipantSettings, 'baseUrl'>,
): ParticipantSettings | null {
  return baseUrl === undefined ? null : { baseUrl, ...how };
}

function notifySettings(values: Variables): Config['notify'] {
  const seconds = values.AFTERCOMMIT_NOTIFY_SILENCE_SECONDS;
  const silenceMs = { ...WAITS.silenceMs };
  for (const channel of CHANNELS)
    silenceMs[channel] = (seconds[channel] ?? silenceMs[channel] / 1_000) * 1_000;
  return {
    waits: {
      firstLookUpMs: values.AFTERCOMMIT_NOTIFY_FIRST_LOOK_UP_MS,
      secondLookUpMs: values.AFTERCOMMIT_NOTIFY_SECOND_LOOK_UP_MS,
      lateLookUpMs: values.AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS,
      unsentRetryMs: WAITS.unsentRetryMs,
      silenceMs,
    },
    timeoutMs: values.AFTERCOMMIT_TWILIO_TIMEOUT_MS,
    rates: values.AFTERCOMMIT_NOTIFY_RATES,
    countries: values.AFTERCOMMIT_NOTIFY_COUNTRIES,
    dailyMax: values.AFTERCOMMIT_NOTIFY_DAILY_MAX === 0 ? null : values.AFTERCOMMIT_NOTIFY_DAILY_MAX,
    timeZone: values.AFTERCOMMIT_NOTIFY_TIME_ZONE,
    quietHours: values.AFTERCOMMIT_NOTIFY_QUIET_HOURS,
  };
}

/** The environment of this process. Nothing else in the product reads it. */
export function processEnvironment(): Environment {
  return process.env;
}
