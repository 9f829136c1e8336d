import { CHANNELS } from '../domain/message-status';
import { isCurrency } from '../domain/money';
import { totalMinor, type OrderLine } from '../domain/orders';
import { Phone } from './phone-numbers';
import { AMOUNT_MINOR_MAX, CustomerId, QUANTITY_MAX, Sku, UNIT_PRICE_MINOR_MAX } from './schemas';
import { z } from './zod';

/** The body of `POST /v1/orders`. */

const LINES_MAX = 100;
/** Source: the HTTP contract: one second to a week. */
const DEADLINE_SECONDS_MAX = 604_800;

const Customer = z.strictObject({
  id: CustomerId,
  phone: Phone,
  channels: z
    .array(z.enum(CHANNELS))
    .min(1)
    .max(CHANNELS.length)
    .refine((channels) => new Set(channels).size === channels.length, 'No channel may stand here twice.')
    .default([...CHANNELS])
    .openapi({ uniqueItems: true }),
});

const Line = z.strictObject({
  sku: Sku,
  quantity: z.int().min(1).max(QUANTITY_MAX),
  unitPriceMinor: z
    .int()
    .min(0)
    .max(UNIT_PRICE_MINOR_MAX)
    .openapi({ description: 'Minor units of the currency' }),
});

const Payment = z
  .strictObject({
    mode: z.enum(['none', 'charge'], {
      error: ({ input }) =>
        input === 'wait'
          ? 'The payment mode wait is not supported yet; use none or charge.'
          : 'This must be none or charge.',
    }),
    method: z
      .string()
      .regex(/^[\x21-\x7e]{1,255}$/, 'This must be 1 to 255 visible ASCII characters.')
      .optional()
      .openapi({ example: 'tok_visa', description: 'For mode charge, and only for it' }),
    deadlineSeconds: z
      .int()
      .min(1)
      .max(DEADLINE_SECONDS_MAX)
      .optional()
      .openapi({ description: 'For mode wait, which is not supported yet' }),
  })
  .superRefine((payment, context) => {
    const refuse = (member: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [member], message });
    if (payment.mode === 'charge' && payment.method === undefined)
      refuse('method', 'Mode charge needs a method.');
    if (payment.mode === 'none' && payment.method !== undefined)
      refuse('method', 'Mode none takes no method.');
    if (payment.deadlineSeconds !== undefined)
      refuse('deadlineSeconds', 'Only the mode wait has a deadline.');
  });

export const NewOrder = z
  .strictObject({
    customer: Customer,
    lines: z.array(Line).min(1).max(LINES_MAX).superRefine(refuseDoubledSkus),
    currency: z
      .string()
      .refine(isCurrency, 'This must be an ISO 4217 code of a currency, in capitals.')
      .openapi({ example: 'EUR', pattern: '^[A-Z]{3}$' }),
    payment: Payment,
  })
  .superRefine((order, context) => {
    // Amounts stay exact far below 2^53; a sum that left that range is above the limit all the same.
    if (totalMinor(order.lines) <= AMOUNT_MINOR_MAX) return;
    context.addIssue({ code: 'custom', path: ['lines'], message: `The total is above ${AMOUNT_MINOR_MAX}.` });
  })
  .openapi('NewOrder');

/** Refused rather than merged: two lines of one SKU may have two prices, and which one counts is the caller's to say. */
function refuseDoubledSkus(lines: OrderLine[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  lines.forEach(({ sku }, index) => {
    if (seen.has(sku)) {
      context.addIssue({ code: 'custom', path: [index, 'sku'], message: 'Another line has this SKU.' });
    }
    seen.add(sku);
  });
}
