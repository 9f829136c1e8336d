import type { Client } from '@temporalio/client';
import type { Installation } from '../database/installation';
import type { LagReader } from '../database/lag';
import type { PhoneHash } from '../database/phone-hash';
import type { Pool } from '../database/pool';
import type { SecretBox } from '../database/secrets';
import type { Decisions } from '../domain/decisions';
import type { Places } from '../domain/orders';
import type { Participants } from '../domain/participants';
import type { CarrierEvent } from '../gateways/carrier-webhooks';
import type { PaymentEvent } from '../gateways/payment-webhooks';
import type { WebhookReader } from '../gateways/webhook-reader';
import type { FlashLane } from '../lanes/lane';
import type { SaleAdmission } from '../lanes/sale-admission';
import type { Logger } from '../log';
import type { Metrics } from '../metrics';
import type { ApiKey } from './authentication';
import type { Health } from './health';

/** How often one caller may ask. `limit` requests per `windowMs` milliseconds. */
export interface RateLimit {
  limit: number;
  windowMs: number;
}

/** Who may ask, and how often. */
export interface Access {
  /** None: whoever reaches the socket is the caller `local` with every scope. Listen on loopback only then. */
  keys: ApiKey[];
  rateLimit: RateLimit | null;
}

/** What tells webhooks of Twilio from anybody else's. */
export interface TwilioWebhooks {
  /** Whether the form came from Twilio. @param request.url - the public one, with its query */
  isSigned(request: { url: string; params: Record<string, string | string[]>; signature: string }): boolean;
  /** Whether the callback's token is the one that was given out for this attempt. */
  isFrom(attemptId: string, token: string): boolean;
}

/** What tells webhooks of participants from anybody else's; null where no secret is known, and so none is taken. */
export interface ParticipantWebhooks {
  payments: WebhookReader<PaymentEvent> | null;
  stripe: WebhookReader<PaymentEvent> | null;
  carrier: WebhookReader<CarrierEvent> | null;
}

/** What the routes need from outside of this room. Whoever makes them closes them. */
export interface HttpDeps {
  pool: Pool;
  log: Logger;
  installation: Installation;
  places: Places;
  temporal: Client;
  /** What workers in this process decide, on the connection of `temporal`; null where workers are other processes. */
  decisions: Decisions | null;
  /** Of `POST /v1/orders`; orders of sales are always placed in the flash lane. */
  lane: 'standard' | 'flash';
  flash: FlashLane;
  sales: SaleAdmission;
  secretBox: SecretBox;
  access: Access;
  /** Targets on loopback and private networks, for development. */
  allowPrivateTargets: boolean;
  /** ISO 3166 codes of the countries that people are told in; null: all. Orders with other numbers are refused. */
  countries: ReadonlySet<string> | null;
  /** Started and stopped by whoever makes it. */
  health: Health;
  lag: LagReader;
  metrics: Pick<Metrics, 'httpRequest' | 'providerCallback' | 'notificationSettled' | 'text' | 'contentType'>;
  version: string;
  /** Where callers reach the service; null when nobody said. */
  publicUrl: string | null;
  twilio: TwilioWebhooks;
  participantWebhooks: ParticipantWebhooks;
  /** Which there are: an order that needs another is refused. */
  participants: Participants;
  /** Numbers are searched and remembered by it, never by themselves. */
  phoneHash: PhoneHash;
}
