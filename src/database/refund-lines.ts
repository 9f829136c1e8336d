import { InvalidValueError, RefundExceedsCapturedError } from '../errors';
import type { RefundLine } from './refund-rows';
import type { Queryable } from './transaction';

/** A line of a refund with its place in the order. */
export interface CheckedLine extends RefundLine {
  lineNumber: number;
}

interface OrderLineMoney {
  lineNumber: number;
  sku: string;
  /** Minor units: of the whole line, and what refunds that count have named it for. */
  totalMinor: number;
  takenMinor: number;
}

/**
 * Finds the order's lines that a refund names, and refuses more for a line than it cost, all refunds that count together.
 * The caller holds the order.
 * @throws InvalidValueError, RefundExceedsCapturedError (not retryable)
 */
export async function checkRefundLines(
  client: Queryable,
  orderId: string,
  lines: readonly RefundLine[],
): Promise<CheckedLine[]> {
  if (lines.length === 0) return [];
  const ofOrder = new Map((await readLines(client, orderId)).map((line) => [line.sku, line]));
  return lines.map(({ sku, amountMinor }, index) => {
    const known = ofOrder.get(sku);
    if (known === undefined) {
      const message = 'The order has no line of this SKU.';
      throw new InvalidValueError(message, { fields: [{ pointer: `/lines/${index}/sku`, message }] });
    }
    const left = known.totalMinor - known.takenMinor;
    if (amountMinor > left) {
      throw new RefundExceedsCapturedError(`At most ${left} minor units are left to refund of this line.`, {
        fields: [{ pointer: `/lines/${index}/amountMinor`, message: `at most ${left}` }],
        extensions: { refundableMinor: left },
      });
    }
    return { sku, amountMinor, lineNumber: known.lineNumber };
  });
}

async function readLines(client: Queryable, orderId: string): Promise<OrderLineMoney[]> {
  const { rows } = await client.query<OrderLineMoney>(
    `select l.line_number as "lineNumber", l.sku, l.quantity * l.unit_price_minor as "totalMinor",
       (select coalesce(sum(r.amount_minor), 0)::bigint
        from aftercommit.refund_lines r join aftercommit.refunds f using (refund_id)
        where f.order_id = l.order_id and f.state <> 'FAILED' and r.line_number = l.line_number) as "takenMinor"
     from aftercommit.order_lines l where l.order_id = $1`,
    [orderId],
  );
  return rows;
}
