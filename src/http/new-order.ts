import { CHANNELS } from '../domain/message-status';
import { isCurrency } from '../domain/money';
import { DEADLINE_SECONDS_MAX, totalMinor } from '../domain/orders';
import { Phone } from './phone-numbers';
import { AMOUNT_MINOR_MAX, CustomerId, QUANTITY_MAX, Sku, UNIT_PRICE_MINOR_MAX } from './schemas';
import { z } from './zod';

/** The body of `POST /v1/orders`. */

export const LINES_MAX = 100;

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

/** The gateway's name of what pays. */
export const PaymentMethod = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'This must be 1 to 255 visible ASCII characters.')
  .openapi({ example: 'tok_visa' });

const Payment = z
  .strictObject({
    mode: z.enum(['none', 'charge', 'wait']),
    method: PaymentMethod.optional().openapi({ description: 'For mode charge, and only for it' }),
    deadlineSeconds: z
      .int()
      .min(1)
      .max(DEADLINE_SECONDS_MAX)
      .optional()
      .openapi({ description: 'For mode wait, and only for it: 900 when absent' }),
  })
  .superRefine((payment, context) => {
    const refuse = (member: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [member], message });
    if (payment.mode === 'charge' && payment.method === undefined)
      refuse('method', 'Mode charge needs a method.');
    if (payment.mode === 'none' && payment.method !== undefined)
      refuse('method', 'Mode none takes no method.');
    if (payment.mode === 'wait' && payment.method !== undefined)
      refuse('method', 'Mode wait takes its method with the payment.');
    if (payment.mode !== 'wait' && payment.deadlineSeconds !== undefined)
      refuse('deadlineSeconds', 'Only the mode wait has a deadline.');
  });

/** A text of an address: no control characters, nothing around it. */
const addressText = (length: number): z.ZodString =>
  z
    .string()
    .regex(
      new RegExp(`^(?!\\s)[^\\p{C}]{1,${length}}(?<!\\s)$`, 'u'),
      `This must be 1 to ${length} printable characters.`,
    );

const Shipping = z
  .strictObject({
    name: addressText(100),
    line1: addressText(100),
    line2: addressText(100).optional(),
    postalCode: addressText(20),
    city: addressText(100),
    country: z
      .string()
      .regex(/^[A-Z]{2}$/, 'This must be an ISO 3166-1 alpha-2 code.')
      .openapi({ example: 'DE' }),
  })
  .openapi({ description: 'Where the goods go; an order without it does not ship' });

const CartId = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'This must be 1 to 128 visible ASCII characters.')
  .openapi({
    example: 'cart_1',
    description: 'The shopping cart that becomes the order: cleared once it is confirmed',
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
    shipping: Shipping.optional(),
    cartId: CartId.optional(),
  })
  .superRefine((order, context) => {
    // Amounts stay exact far below 2^53; a sum that left that range is above the limit all the same.
    if (totalMinor(order.lines) <= AMOUNT_MINOR_MAX) return;
    context.addIssue({ code: 'custom', path: ['lines'], message: `The total is above ${AMOUNT_MINOR_MAX}.` });
  })
  .openapi('NewOrder');

/** Refused rather than merged: two lines of one SKU may have two prices, and which one counts is the caller's to say. */
export function refuseDoubledSkus(lines: readonly { sku: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  lines.forEach(({ sku }, index) => {
    if (seen.has(sku)) {
      context.addIssue({ code: 'custom', path: [index, 'sku'], message: 'Another line has this SKU.' });
    }
    seen.add(sku);
  });
}
