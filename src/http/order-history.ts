import { readOrderEvents } from '../database/order-history';
import { orderAsOf, type OrderAsOf as OrderAsOfView } from '../domain/order-history';
import { NotFoundError } from '../errors';
import type { HttpDeps } from './deps';
import { ORDER_STATUSES } from './order-views';
import { AmountMinor, Currency, CustomerId, queryMembers, Sku, Timestamp, Uuid } from './schemas';
import { z } from './zod';

/** Of `GET /v1/orders/{orderId}`. */
export const OneOrderQuery = z.strictObject({
  at: queryMembers.timestamp.optional().openapi({
    description: 'As the order was then, rebuilt from its events; a time to come is the same as now',
  }),
});

/**
 * An order as it was at a time.
 * @param at - RFC 3339
 * @throws NotFoundError when it was not there yet, or when the events that tell of it are older than their retention
 */
export async function readOrderAt(
  { pool }: Pick<HttpDeps, 'pool'>,
  orderId: string,
  at: string,
): Promise<OrderAsOfView> {
  const order = orderAsOf(await readOrderEvents(pool, orderId), at);
  if (order === null)
    throw new NotFoundError('There was no such order then, or its events are not kept any more.');
  return order;
}

/** The answer to `?at=`. */
export const OrderAsOf = z
  .object({
    orderId: Uuid,
    asOf: Timestamp.openapi({ description: 'The time that was asked for' }),
    seq: z.int().openapi({ description: 'Of the last event until then' }),
    status: z.enum(ORDER_STATUSES),
    customerId: CustomerId,
    lines: z.array(z.object({ sku: Sku, quantity: z.int(), unitPriceMinor: AmountMinor })),
    totalMinor: AmountMinor,
    currency: Currency,
    payment: z.object({
      mode: z.enum(['none', 'charge', 'wait']),
      status: z.enum(['NONE', 'PENDING', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'FAILED']),
      capturedMinor: AmountMinor,
      refundedMinor: AmountMinor,
      errorCode: z.string().nullable(),
    }),
    shipment: z
      .object({ state: z.enum(['SHIPPED', 'DELIVERED']), trackingId: z.string().nullable() })
      .nullable(),
    createdAt: Timestamp,
    updatedAt: Timestamp.openapi({ description: 'When the last event until then happened' }),
  })
  .openapi('OrderAsOf', { description: 'An order as it was at a time, as far as its events tell.' });
