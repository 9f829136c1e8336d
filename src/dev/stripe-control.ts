import { z } from 'zod';
import type { FakeAnswer } from './fake-server';
import { commonSettings, faultTiming } from './fault-plan';
import { DEFAULT_WEBHOOK_SETTINGS, webhookSettings, type WebhookSettings } from './signed-webhooks';
import { stripeError, type Answer } from './stripe-errors';

/** Source: docs.stripe.com/api/payment_intents/search: searchable in less than a minute. */
const SEARCH_LAG_MS = 60_000;

const faultSchema = z.strictObject({
  /** The end of the path, such as `capture`, `refunds`, `search`; without one it hits every request. */
  path: z.string().optional(),
  method: z.enum(['GET', 'POST']).optional(),
  /** `_before`: nothing happened. `_after`: it happened, and the answer is lost, or a 500 for good. */
  action: z.enum([
    '429',
    '500_before',
    '500_after',
    '500_stored',
    'cut_before',
    'cut_after',
    'timeout_after',
    'amount_mismatch',
  ]),
  ...faultTiming,
});

/** The control document of the fake Stripe. */
export const controlSchema = z.strictObject({
  ...commonSettings,
  ...webhookSettings,
  searchLagMs: z.int().nonnegative().optional(),
  forgetKeys: z.literal(true).optional(),
  faults: z.array(faultSchema).optional(),
});

export type StripeFault = z.infer<typeof faultSchema>;
export type StripeSettings = WebhookSettings & {
  down: boolean;
  answerDelayMs: number;
  searchLagMs: number;
};

/** The settings of the start. */
export const DEFAULTS: StripeSettings = {
  ...DEFAULT_WEBHOOK_SETTINGS,
  down: false,
  answerDelayMs: 0,
  searchLagMs: SEARCH_LAG_MS,
};

/** The answer of a fault that strikes before anything is done; null for the others. */
export function answerBefore(fault: StripeFault): FakeAnswer | null {
  if (fault.action === '429') return stripeError(429, { type: 'invalid_request_error', code: 'rate_limit' });
  if (fault.action === '500_before') return stripeError(500, { type: 'api_error' });
  return fault.action === 'cut_before' ? { kind: 'cut' } : null;
}

/** What becomes of a good answer under a fault that strikes after everything is done. */
export function spoil(fault: StripeFault, answer: Answer): FakeAnswer {
  if (fault.action === 'cut_after') return { kind: 'cut' };
  if (fault.action === 'timeout_after') return { kind: 'silence' };
  if (fault.action !== 'amount_mismatch') return stripeError(500, { type: 'api_error' });
  const body = answer.body as { amount?: number; amount_received?: number };
  const { amount = 0, amount_received: received = 0 } = body;
  return { ...answer, body: { ...body, amount: amount + 1, amount_received: received + 1 } };
}
