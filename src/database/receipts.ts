import { EpochConflictError } from '../errors';
import type { Queryable } from './transaction';

export type ReceiptState = 'intended' | 'done' | 'refused' | 'fenced';

export interface ReceiptKey {
  orderId: string;
  /** Names its object: `commit`, `settle`, `pay:{paymentId}`, `refund:{refundId}`. */
  step: string;
  op: 'do' | 'undo';
}

/**
 * Claims a step in the caller's transaction. Of any number of tries, one gets `true`; the others wait for it to commit
 * and get `false`, and then read what it stored.
 */
export async function insertReceipt(
  client: Queryable,
  key: ReceiptKey,
  state: ReceiptState,
  outcome: object = {},
): Promise<boolean> {
  const { rowCount } = await client.query(
    `insert into aftercommit.step_receipts (order_id, step, op, state, outcome) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [key.orderId, key.step, key.op, state, JSON.stringify(outcome)],
  );
  return rowCount === 1;
}

export async function readReceipt(
  client: Queryable,
  key: ReceiptKey,
): Promise<{ state: ReceiptState; outcome: Record<string, unknown> } | null> {
  const { rows } = await client.query<{ state: ReceiptState; outcome: Record<string, unknown> }>(
    'select state, outcome from aftercommit.step_receipts where order_id = $1 and step = $2 and op = $3',
    [key.orderId, key.step, key.op],
  );
  return rows[0] ?? null;
}

/** Replaces `intended` by what came of it. A definite outcome is never replaced, unless the caller names it in `from`. */
export async function finishReceipt(
  client: Queryable,
  key: ReceiptKey,
  state: Exclude<ReceiptState, 'intended'>,
  outcome: object = {},
  from: ReceiptState[] = ['intended'],
): Promise<void> {
  await client.query(
    `update aftercommit.step_receipts set state = $4, outcome = $5, updated_at = now()
     where order_id = $1 and step = $2 and op = $3 and state = any($6)`,
    [key.orderId, key.step, key.op, state, JSON.stringify(outcome), from],
  );
}

/**
 * Locks an order for a step of a run, and refuses a run that a rebuild has replaced.
 * @throws EpochConflictError (not retryable) when the order has another epoch
 */
export async function lockOrder<Columns extends object>(
  client: Queryable,
  order: { orderId: string; epoch: number },
  columns: string,
): Promise<Columns> {
  const { rows } = await client.query<Columns & { epoch: number }>(
    `select epoch, ${columns} from aftercommit.orders where order_id = $1 for no key update`,
    [order.orderId],
  );
  const row = rows[0];
  if (row === undefined) throw new RangeError('a step needs an order');
  if (row.epoch !== order.epoch) {
    throw new EpochConflictError('Another run of this order has taken over; this one must stop.');
  }
  return row;
}
