import { EpochConflictError } from '../errors';
import type { Queryable } from './transaction';

export type ReceiptState = 'intended' | 'done' | 'refused' | 'fenced';

export interface ReceiptKey {
  orderId: string;
  /** Names its object: `commit`, `settle`, `pay:{paymentId}`, `refund:{refundId}`. */
  step: string;
  op: 'do' | 'undo';
}

/** A receipt as it was stored. */
export interface Receipt {
  state: ReceiptState;
  outcome: Record<string, unknown>;
}

/** The receipts of one table. `owner` is what a step is of: an order, or whatever a caller's own steps are of. */
export interface ReceiptStore {
  insert(client: Queryable, key: StoredKey, state: ReceiptState, outcome?: object): Promise<boolean>;
  read(client: Queryable, key: StoredKey): Promise<Receipt | null>;
  finish(
    client: Queryable,
    key: StoredKey,
    state: Exclude<ReceiptState, 'intended'>,
    outcome?: object,
    from?: ReceiptState[],
  ): Promise<void>;
}

export interface StoredKey {
  owner: string;
  step: string;
  op: 'do' | 'undo';
}

/**
 * Receipts in a table of this form, wherever it is.
 * @param place - names for SQL text, never from a message
 */
export function receiptsIn({ table, ownerColumn }: { table: string; ownerColumn: string }): ReceiptStore {
  const where = `${ownerColumn} = $1 and step = $2 and op = $3`;
  return {
    async insert(client, { owner, step, op }, state, outcome = {}) {
      const { rowCount } = await client.query(
        `insert into ${table} (${ownerColumn}, step, op, state, outcome) values ($1, $2, $3, $4, $5)
         on conflict do nothing`,
        [owner, step, op, state, JSON.stringify(outcome)],
      );
      return rowCount === 1;
    },
    async read(client, { owner, step, op }) {
      const { rows } = await client.query<Receipt>(`select state, outcome from ${table} where ${where}`, [
        owner,
        step,
        op,
      ]);
      return rows[0] ?? null;
    },
    async finish(client, { owner, step, op }, state, outcome = {}, from = ['intended']) {
      await client.query(
        `update ${table} set state = $4, outcome = $5, updated_at = now() where ${where} and state = any($6)`,
        [owner, step, op, state, JSON.stringify(outcome), from],
      );
    },
  };
}

const orderReceipts = receiptsIn({ table: 'aftercommit.step_receipts', ownerColumn: 'order_id' });

function stored({ orderId, step, op }: ReceiptKey): StoredKey {
  return { owner: orderId, step, op };
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
  return orderReceipts.insert(client, stored(key), state, outcome);
}

export async function readReceipt(client: Queryable, key: ReceiptKey): Promise<Receipt | null> {
  return orderReceipts.read(client, stored(key));
}

/** Replaces `intended` by what came of it. A definite outcome is never replaced, unless the caller names it in `from`. */
export async function finishReceipt(
  client: Queryable,
  key: ReceiptKey,
  state: Exclude<ReceiptState, 'intended'>,
  outcome: object = {},
  from: ReceiptState[] = ['intended'],
): Promise<void> {
  await orderReceipts.finish(client, stored(key), state, outcome, from);
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
