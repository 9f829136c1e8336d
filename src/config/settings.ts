import type { ChannelName } from '../domain/message-status';
import type { NotificationWaits } from '../domain/notifications';
import type { QuietHours } from '../domain/quiet-hours';
import type { Retention } from '../domain/retention';

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
    /** Which version of which Worker Deployment the workers are; null: they are not versioned. */
    readonly deployment: { readonly name: string; readonly buildId: string } | null;
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
  readonly payment: PaymentSettings;
  /** Null where nobody said: then no order can ask for it. */
  readonly carrier: ParticipantSettings | null;
  readonly points: ParticipantSettings | null;
  readonly cart: ParticipantSettings | null;
  /** What tells webhooks of participants from anybody else's. Empty: there is no way to tell, and none is taken. */
  readonly webhookSecrets: {
    readonly payments: readonly string[];
    readonly stripe: readonly string[];
    readonly carrier: readonly string[];
  };
  readonly apiKeys: readonly ApiKey[];
  readonly rateLimit: { readonly limit: number; readonly windowMs: number } | null;
  readonly secretsKey: Buffer;
  /** Where callers reach the service; null when nobody said. */
  readonly publicUrl: string | null;
  readonly allowPrivateTargets: boolean;
  /** The lane of `POST /v1/orders`; orders of sales are always placed in the flash lane. */
  readonly lane: 'standard' | 'flash';
  /** Of the flash lane of one process. */
  readonly flash: {
    /** How long orders are committed under one window. */
    readonly windowMs: number;
    /** Orders that may wait to be committed; more are refused. */
    readonly queueMax: number;
    /** Orders that are committed and not delivered yet; at so many, the next ones wait. */
    readonly backlogMax: number;
  };
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
  readonly retention: Readonly<Retention>;
  /** Where the brokers of targets are; AWS's own variables are read by its client. */
  readonly brokers: {
    readonly kafka: readonly string[];
    readonly rocketmq: string | null;
    readonly nats: readonly string[];
    readonly amqp: string | null;
  };
}

/** Where a participant is, and how it is called. */
export interface ParticipantSettings {
  readonly baseUrl: string;
  /** Sent as a bearer token. */
  readonly apiKey: string | undefined;
  /** Of one call, to the last byte of its answer. */
  readonly timeoutMs: number;
}

export interface StripeSettings {
  readonly kind: 'stripe';
  readonly secretKey: string;
  /** Undefined: Stripe's own. */
  readonly baseUrl: string | undefined;
  /** Where a customer comes back to after acting. */
  readonly returnUrl: string | undefined;
  readonly timeoutMs: number;
}

/** Which gateway takes payments. */
export type PaymentSettings = ({ readonly kind: 'http' } & ParticipantSettings) | StripeSettings;

export interface TlsFiles {
  readonly serverName: string | undefined;
  readonly serverCa: Buffer | undefined;
  readonly clientCert: Buffer | undefined;
  readonly clientKey: Buffer | undefined;
}

export type Environment = Record<string, string | undefined>;
