import { z } from 'zod';
import { commonSettings, faultTiming } from './fault-plan';
import {
  DEFAULT_WEBHOOK_SETTINGS,
  webhookSettings,
  type WebhookDestination,
  type WebhookSettings,
} from './signed-webhooks';

/** Source: Stripe, "Idempotent requests": keys may be pruned once they are 24 hours old. */
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1_000;

const faultSchema = z.strictObject({
  /** Without one it hits every operation, look-ups included. */
  operation: z.enum(['authorize', 'capture', 'void', 'refund', 'find']).optional(),
  match: z.strictObject({ paymentId: z.string().optional(), orderId: z.string().optional() }).optional(),
  /**
   * `_before`: nothing happened. `_after`: it happened, and the answer is lost or wrong. `late`: never answered, and it
   * happens `delayMs` (the setting `lateMs`) later, with nothing to be found until then. `amount_mismatch`: it happened
   * as asked, and the answer names one minor unit more.
   */
  action: z.enum([
    '429',
    '500_before',
    '500_after',
    'cut_before',
    'timeout_after',
    'cut_after',
    'late',
    'amount_mismatch',
  ]),
  /** Whether a 500 becomes the key's answer for good. Default: after yes, before no. */
  stored: z.boolean().optional(),
  /** Sent as Retry-After with a 429. */
  retryAfterSeconds: z.int().nonnegative().optional(),
  ...faultTiming,
});

/** The control document of the fake payment gateway. */
export const controlSchema = z.strictObject({
  ...commonSettings,
  ...webhookSettings,
  /** How late `tok_timeout_then_success` is answered, and `late` calls are carried out. */
  lateMs: z.int().nonnegative().optional(),
  /** How long an idempotency key is known. */
  keyLifetimeMs: z.int().nonnegative().optional(),
  /** Forgets all keys now, as if their lifetime were over. */
  forgetKeys: z.literal(true).optional(),
  faults: z.array(faultSchema).optional(),
});

export type PaymentFault = z.infer<typeof faultSchema>;

export interface PaymentSettings extends WebhookSettings {
  down: boolean;
  answerDelayMs: number;
  lateMs: number;
  keyLifetimeMs: number;
}

/** The settings of the start. */
export function defaultSettings(given: { lateMs: number } & WebhookDestination): PaymentSettings {
  return {
    down: false,
    answerDelayMs: 0,
    keyLifetimeMs: KEY_LIFETIME_MS,
    ...DEFAULT_WEBHOOK_SETTINGS,
    ...given,
  };
}
