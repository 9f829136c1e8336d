import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { E164 } from './domain/message-rules';
import { CHANNELS, type ChannelName } from './domain/message-status';
import { DEFAULT_NOTIFICATION_WAITS, type NotificationWaits } from './domain/notifications';
import { isTimeZone, problemOfQuietHours, type QuietHours } from './domain/quiet-hours';
import { ConfigError } from './errors';

/** Scopes of an API key. `admin` implies all. Source: the HTTP contract, "Access". */
export const SCOPES = ['orders:read', 'orders:write', 'events:write', 'operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  caller: string;
  /** Hex of the key's SHA-256; the key itself is nowhere. */
  sha256: string;
  scopes: Scope[];
}

/** Everything that the environment decides, checked once at start. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Where a worker serves its metrics; 0: any free port. */
  readonly metricsPort: number;
  readonly logLevel: string;
  readonly databaseUrl: string;
  readonly databasePoolSize: number;
  readonly temporal: {
    readonly address: string;
    readonly namespace: string;
    readonly apiKey: string | undefined;
    readonly tls: TlsFiles | undefined;
    /** Where the Web UI is, for links; null when nobody said. */
    readonly uiUrl: string | null;
  };
  readonly twilio: {
    readonly accountSid: string;
    readonly authToken: string;
    /** The other token while they are rotated: callbacks signed with either are taken. */
    readonly secondaryAuthToken: string | undefined;
    readonly from: string;
    /** Senders of the other channels; a channel without one is passed over. */
    readonly whatsappFrom: string | undefined;
    readonly voiceFrom: string | undefined;
    readonly baseUrl: string | undefined;
  };
  readonly paymentUrl: string;
  readonly paymentApiKey: string | undefined;
  readonly apiKeys: readonly ApiKey[];
  readonly rateLimit: { readonly limit: number; readonly windowMs: number } | null;
  readonly secretsKey: Buffer;
  /** Where callers reach the service; null when nobody said. */
  readonly publicUrl: string | null;
  readonly allowPrivateTargets: boolean;
  readonly notify: {
    /** Waits around a message without an outcome, in milliseconds. */
    readonly waits: NotificationWaits;
    /** Of a call to the provider, in milliseconds. */
    readonly timeoutMs: number;
    /** Messages a second on each channel; absent: as many as there are. */
    readonly rates: Readonly<Partial<Record<ChannelName, number>>>;
    /** ISO 3166; null: every country. */
    readonly countries: ReadonlySet<string> | null;
    /** Messages to one number on one day; null: no limit. */
    readonly dailyMax: number | null;
    readonly timeZone: string;
    readonly quietHours: QuietHours | null;
  };
  readonly paymentTimeoutMs: number;
  /** How long events are kept after their last delivery. */
  readonly eventRetentionDays: number;
  /** Where the brokers of targets are; AWS's own variables are read by its client. */
  readonly brokers: {
    readonly kafka: readonly string[];
    readonly rocketmq: string | null;
    readonly nats: readonly string[];
    readonly amqp: string | null;
  };
}

export interface TlsFiles {
  readonly serverName: string | undefined;
  readonly serverCa: Buffer | undefined;
  readonly clientCert: Buffer | undefined;
  readonly clientKey: Buffer | undefined;
}

export type Environment = Record<string, string | undefined>;

/** Variables whose value may stand in a file that `<NAME>_FILE` names, so that a secret never is in the environment. */
const SECRETS = [
  'DATABASE_URL',
  'TEMPORAL_API_KEY',
  'TWILIO_AUTH_TOKEN',
  'TWILIO_AUTH_TOKEN_SECONDARY',
  'AFTERCOMMIT_API_KEYS',
  'AFTERCOMMIT_PAYMENT_API_KEY',
  'AFTERCOMMIT_SECRETS_KEY',
];

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

const wholeNumber = (from: number, to: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(from).max(to));
const url = (...protocols: string[]): z.ZodType<string> =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `must be a URL that begins with ${protocols.join(' or ')}//`,
  });
const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');

const apiKeys = z.string().transform((text, context): ApiKey[] =>
  text.split(',').map((entry, index) => {
    const [caller, sha256, ...scopes] = entry.trim().split(':');
    const names = scopes.join(':').split('+');
    const fine =
      /^[A-Za-z0-9._-]{1,64}$/.test(caller ?? '') &&
      /^[0-9a-f]{64}$/i.test(sha256 ?? '') &&
      names.every((name) => (SCOPES as readonly string[]).includes(name));
    if (!fine) {
      context.addIssue(
        `entry ${index + 1} must be name:sha256-of-key:scope+scope, with scopes of ${SCOPES.join(', ')}`,
      );
    }
    return { caller: caller ?? '', sha256: (sha256 ?? '').toLowerCase(), scopes: names as Scope[] };
  }),
);

const rateLimit = z
  .string()
  .regex(/^[1-9]\d{0,6}\/[1-9]\d{0,3}[smh]$/, 'must look like 100/1m')
  .transform((text) => {
    const [, limit, count, unit] = /^(\d+)\/(\d+)([smh])$/.exec(text)!;
    const unitMs = { s: 1_000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
    return { limit: Number(limit), windowMs: Number(count) * unitMs };
  });

const WAITS = DEFAULT_NOTIFICATION_WAITS;

/** `sms=10,voice=1`. @param range - for people */
const perChannel = (
  range: string,
  from: number,
  to: number,
): z.ZodType<Partial<Record<ChannelName, number>>, string> =>
  z.string().transform((text, context) => {
    const pairs = text.split(',').map((pair) => /^\s*(\w+)=(\d{1,6})\s*$/.exec(pair));
    const values: Partial<Record<ChannelName, number>> = {};
    for (const pair of pairs) {
      const channel = CHANNELS.find((name) => name === pair?.[1]);
      const value = Number(pair?.[2]);
      if (channel === undefined || value < from || value > to || channel in values) {
        context.addIssue(`must look like sms=10,whatsapp=80,voice=1, each ${range}`);
        return z.NEVER;
      }
      values[channel] = value;
    }
    return values;
  });

const countries = z
  .string()
  .transform((text) => text.split(',').map((code) => code.trim()))
  .refine(
    (codes) => codes.every((code) => /^[A-Z]{2}$/.test(code)),
    'must be ISO 3166 codes, for instance DE,AT,CH',
  )
  .transform((codes): ReadonlySet<string> => new Set(codes));

const quietHours = z.string().transform((text, context): QuietHours => {
  const [, from, until] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  if (from !== undefined && until !== undefined && problemOfQuietHours({ from, until }) === null)
    return { from, until };
  context.addIssue('must look like 22:00-08:00');
  return z.NEVER;
});

const timeZone = z.string().refine(isTimeZone, 'must be an IANA time zone, for instance Europe/Berlin');
const phoneNumber = z.string().regex(E164, 'must be an E.164 number');
const whatsappSender = z
  .string()
  .regex(
    /^(whatsapp:)?\+[1-9]\d{6,14}$|^MG[0-9a-fA-F]{32}$/,
    'must be an E.164 number or the sid of a messaging service',
  );

const HOST_AND_PORT = /^[^\s:/,]+:\d{1,5}$/;
const addresses = z
  .string()
  .transform((text) => text.split(',').map((address) => address.trim()))
  .refine(
    (list) => list.every((address) => HOST_AND_PORT.test(address)),
    'must be host:port, separated by commas',
  );

const secretsKey = z
  .string()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((key) => key.length === 32, 'must be 32 bytes in base64');

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
  AFTERCOMMIT_PAYMENT_URL: url('http:', 'https:'),
  AFTERCOMMIT_PAYMENT_API_KEY: z.string().optional(),
  AFTERCOMMIT_PAYMENT_TIMEOUT_MS: wholeNumber(100, 12_000).default(10_000),
  AFTERCOMMIT_EVENT_RETENTION_DAYS: wholeNumber(1, 36_500).default(365),
  AFTERCOMMIT_API_KEYS: apiKeys.default([]),
  AFTERCOMMIT_RATE_LIMIT: rateLimit.nullable().default(null),
  AFTERCOMMIT_SECRETS_KEY: secretsKey,
  AFTERCOMMIT_PUBLIC_URL: url('http:', 'https:').optional(),
  AFTERCOMMIT_ALLOW_PRIVATE_TARGETS: flag.default(false),
  AFTERCOMMIT_TEMPORAL_UI_URL: url('http:', 'https:').optional(),
  KAFKA_BROKERS: addresses.default([]),
  ROCKETMQ_ENDPOINTS: z.string().regex(HOST_AND_PORT, 'must be host:port').optional(),
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
  const given = readFiles(environment, problems);
  for (const name of unknownNames(environment)) problems.push(`${name}: there is no such setting`);

  const parsed = variables.safeParse(given);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => describe(issue, given)));
  const tls = readTls(given, problems);
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

/** Empty is unset; `<NAME>_FILE` gives the value of a secret. */
function readFiles(environment: Environment, problems: string[]): Environment {
  const given: Environment = {};
  for (const [name, value] of Object.entries(environment)) if (value !== '') given[name] = value;
  for (const name of SECRETS) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) problems.push(`${name}: is set, and so is ${name}_FILE; set one of them`);
    try {
      given[name] = readFileSync(file, 'utf8').trim();
    } catch {
      problems.push(`${name}_FILE: the file cannot be read`);
    }
  }
  return given;
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

/** From the environment as it was given, so that its mistakes are named together with all others. */
function readTls(values: Environment, problems: string[]): TlsFiles | undefined {
  const read = (name: string): Buffer | undefined => {
    const path = values[name];
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch {
      problems.push(`${name}: the file cannot be read`);
      return undefined;
    }
  };
  const serverCa = read('TEMPORAL_TLS_SERVER_CA_CERT_PATH');
  const clientCert = read('TEMPORAL_TLS_CLIENT_CERT_PATH');
  const clientKey = read('TEMPORAL_TLS_CLIENT_KEY_PATH');
  if (
    (values['TEMPORAL_TLS_CLIENT_CERT_PATH'] === undefined) !==
    (values['TEMPORAL_TLS_CLIENT_KEY_PATH'] === undefined)
  ) {
    problems.push('TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH: set both or none');
  }
  const serverName = values['TEMPORAL_TLS_SERVER_NAME'];
  const wanted =
    values['TEMPORAL_TLS'] === undefined
      ? [serverName, serverCa, clientCert].some((part) => part !== undefined)
      : values['TEMPORAL_TLS'] === 'true';
  // An API key goes over TLS only; Temporal Cloud has no other way.
  return wanted || values['TEMPORAL_API_KEY'] !== undefined
    ? { serverName, serverCa, clientCert, clientKey }
    : undefined;
}

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
    paymentUrl: values.AFTERCOMMIT_PAYMENT_URL,
    paymentApiKey: values.AFTERCOMMIT_PAYMENT_API_KEY,
    apiKeys: values.AFTERCOMMIT_API_KEYS,
    rateLimit: values.AFTERCOMMIT_RATE_LIMIT,
    secretsKey: values.AFTERCOMMIT_SECRETS_KEY,
    publicUrl: values.AFTERCOMMIT_PUBLIC_URL ?? null,
    allowPrivateTargets: values.AFTERCOMMIT_ALLOW_PRIVATE_TARGETS,
    notify: notifySettings(values),
    paymentTimeoutMs: values.AFTERCOMMIT_PAYMENT_TIMEOUT_MS,
    eventRetentionDays: values.AFTERCOMMIT_EVENT_RETENTION_DAYS,
    brokers: {
      kafka: values.KAFKA_BROKERS,
      rocketmq: values.ROCKETMQ_ENDPOINTS ?? null,
      nats: values.NATS_SERVERS,
      amqp: values.AMQP_URL ?? null,
    },
  });
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
