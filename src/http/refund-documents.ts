import type { Refund } from '../database/refunds';
import { LINES_MAX, refuseDoubledSkus } from './new-order';
import { AMOUNT_MINOR_MAX, AmountMinor, Currency, Reason, Sku, Timestamp, Uuid } from './schemas';
import { z } from './zod';

/** What goes in and out of the routes of refunds. */

const NewRefundLine = z.strictObject({
  sku: Sku,
  amountMinor: z.int().min(1).max(AMOUNT_MINOR_MAX),
});

export const NewRefund = z
  .strictObject({
    amountMinor: z
      .int()
      .min(1)
      .max(AMOUNT_MINOR_MAX)
      .optional()
      .openapi({ description: 'Minor units; all that is left when absent' }),
    reason: Reason.optional(),
    lines: z
      .array(NewRefundLine)
      .min(1)
      .max(LINES_MAX)
      .superRefine(refuseDoubledSkus)
      .optional()
      .openapi({ description: 'What goes back for which lines; the refund is their sum' }),
    restock: z.boolean().default(false).openapi({ description: 'Put the whole order back into stock' }),
    currency: Currency.optional().openapi({ description: "Must be the order's own" }),
  })
  .superRefine(({ amountMinor, lines }, context) => {
    if (lines === undefined) return;
    const sum = lines.reduce((total, line) => total + line.amountMinor, 0);
    if (amountMinor === undefined ? sum <= AMOUNT_MINOR_MAX : amountMinor === sum) return;
    const message =
      amountMinor === undefined ? 'The sum is too large.' : 'This must be the sum of the lines.';
    context.addIssue({
      code: 'custom',
      path: [amountMinor === undefined ? 'lines' : 'amountMinor'],
      message,
    });
  })
  .openapi('NewRefund');

/** A refund as callers see it. */
export function viewOf(refund: Refund): z.output<typeof RefundView> {
  const { refundId, orderId, paymentId, state, amountMinor, currency, lines, reason, restock } = refund;
  const { errorCode, createdAt, updatedAt } = refund;
  return {
    refundId,
    orderId,
    paymentId,
    status: state,
    amountMinor,
    currency,
    lines,
    reason,
    restock,
    errorCode,
    createdAt,
    updatedAt,
  };
}

export const RefundView = z
  .object({
    refundId: Uuid,
    orderId: Uuid,
    paymentId: Uuid,
    status: z.enum(['PENDING', 'DONE', 'PARKED', 'FAILED']).openapi({
      description:
        'PARKED: refused, an operator decides, or did it by other means. FAILED: given up, its amount may be refunded again',
    }),
    amountMinor: AmountMinor,
    currency: Currency,
    lines: z
      .array(z.object({ sku: Sku, amountMinor: AmountMinor }))
      .openapi({ description: 'Empty where nobody said what it is for' }),
    reason: z.string().nullable(),
    restock: z.boolean(),
    errorCode: z.string().nullable(),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Refund');
