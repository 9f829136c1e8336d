import { randomBytes } from 'node:crypto';
import type { Evidence, StoredEvidence } from './evidence-log';

export type StripeMetadata = Record<string, string>;

/** A PaymentIntent as Stripe shows it, as far as it is simulated. Amounts are in Stripe's minor units. */
export interface StripeIntent {
  id: string;
  object: 'payment_intent';
  amount: number;
  amount_capturable: number;
  amount_received: number;
  canceled_at: number | null;
  capture_method: string;
  client_secret: string;
  created: number;
  currency: string;
  last_payment_error: Record<string, unknown> | null;
  latest_charge: string | null;
  livemode: false;
  metadata: StripeMetadata;
  next_action: Record<string, unknown> | null;
  payment_method: string | null;
  payment_method_types: string[];
  status: string;
}

export interface StripeCharge {
  id: string;
  object: 'charge';
  amount: number;
  amount_captured: number;
  amount_refunded: number;
  captured: boolean;
  created: number;
  currency: string;
  disputed: boolean;
  livemode: false;
  metadata: StripeMetadata;
  payment_intent: string;
  refunded: boolean;
  status: 'succeeded';
}

export interface StripeRefund {
  id: string;
  object: 'refund';
  amount: number;
  charge: string;
  created: number;
  currency: string;
  metadata: StripeMetadata;
  payment_intent: string;
  reason: string | null;
  status: string;
  failure_reason?: string;
}

export type StripeObject = StripeIntent | StripeCharge | StripeRefund;

/** Evidence of an object's new state. */
const CHANGED = 'object';

/** Stripe's objects. Each change is a snapshot in the log, so that a restart goes on with it. */
export class StripeLedger {
  readonly intents = new Map<string, StripeIntent>();
  readonly charges = new Map<string, StripeCharge>();
  readonly refunds = new Map<string, StripeRefund>();

  constructor(facts: StoredEvidence[]) {
    for (const fact of facts) {
      if (fact.type === CHANGED) this.keep(fact['object'] as StripeObject);
    }
  }

  /** @returns the facts that belong in the log */
  keep(...objects: StripeObject[]): Evidence[] {
    for (const object of objects) {
      if (object.object === 'payment_intent') this.intents.set(object.id, object);
      else if (object.object === 'charge') this.charges.set(object.id, object);
      else this.refunds.set(object.id, object);
    }
    return objects.map((object) => ({ type: CHANGED, object }));
  }

  /** Newest first. */
  refundsOf(chargeId: string): StripeRefund[] {
    return [...this.refunds.values()].filter(({ charge }) => charge === chargeId).reverse();
  }
}

export function newStripeId(prefix: 'pi' | 'ch' | 're' | 'evt'): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}
