import { requireTransaction } from '../consumer/inbox';
import { checkedText, tableName } from '../consumer/table';
import { receiptsIn, type Receipt, type ReceiptStore, type StoredKey } from '../database/receipts';
import type { Queryable } from '../database/transaction';
import { DEFAULT_TABLE, type ReceiptOptions } from './receipts-table';

/** Names a step: of what, and which. Two steps of one aggregate that may both happen have two names. */
export interface StepKey {
  /** The id of what it is about, 1 to 255 characters: a booking, a transfer. */
  aggregate: string;
  /** 1 to 255 characters, with its object where there are several: `charge`, `refund:{refundId}`. */
  step: string;
}

/** A definite no: the step has not happened, and the same step never will. `aftercommit/saga` knows it too. */
export interface Refusal {
  kind: 'refused';
  code: string;
}

/** The code of a step that was fenced before it came. */
export const FENCED = 'fenced';

/** What came of a step, the same for each repeat. `value` is JSON, as it was stored. */
export type StepOutcome<T> =
  { kind: 'done'; value: T; repeated: boolean } | (Refusal & { repeated: boolean });

/** What came of an undo. */
export type UndoOutcome<T> = { kind: 'undone'; value: T; repeated: boolean } | { kind: 'nothing_to_undo' };

/** How a step stands, by its receipts. */
export type StepState<T> = { kind: 'done' | 'undone'; value: T } | Refusal | { kind: 'fenced' };

/** What a step returns to say no. What it had written until then is rolled back; the refusal itself is kept. */
export function refuse(code: string): Refusal {
  return { kind: 'refused', code: checkedText('code', code) };
}

/**
 * Carries a step out once, in the caller's transaction: its receipt is inserted first, and `work` runs only when it was
 * not there; otherwise the stored outcome is returned. Effect, receipt and outcome are committed together or not at all,
 * so after a crash or a lost connection the step is simply repeated, and the receipt decides. Whoever comes while it
 * runs waits for the end of its transaction.
 *
 * What `work` does outside of `tx` (a call over the network, a mail) is not covered.
 *
 * @param tx - a client between `begin` and `commit`, such as `transaction` gives
 * @param work - returns a JSON value, or `refuse(code)`; what it throws is thrown on: roll back, then nothing is kept
 * @returns refused with the code `fenced` when the step was undone or fenced before it came: it never happens any more
 * @throws RangeError when `tx` is not inside a transaction, where the receipt would be kept although `work` failed
 */
export async function doStep<T, Tx extends Queryable>(
  tx: Tx,
  key: StepKey,
  work: (tx: Tx) => Promise<T>,
  options: ReceiptOptions = {},
): Promise<StepOutcome<Exclude<T, Refusal>>> {
  type Value = Exclude<T, Refusal>;
  const { receipts, place } = await openReceipts(tx, key, options);
  if (!(await receipts.insert(tx, place('do'), 'intended'))) {
    const state = stateOf<Value>((await receipts.read(tx, place('do')))!, null);
    if (state.kind === 'fenced') return { ...refuse(FENCED), repeated: true };
    return { ...(state as { kind: 'done'; value: Value } | Refusal), repeated: true };
  }
  await tx.query('savepoint aftercommit_step');
  const given = await work(tx);
  if (isRefusal(given)) {
    await tx.query('rollback to savepoint aftercommit_step');
    await receipts.finish(tx, place('do'), 'refused', { code: given.code });
    return { ...refuse(given.code), repeated: false };
  }
  await tx.query('release savepoint aftercommit_step');
  const value = asStored(given) as Value;
  await receipts.finish(tx, place('do'), 'done', { value });
  return { kind: 'done', value, repeated: false };
}

/**
 * Undoes a step once, in the caller's transaction. A step that has not happened is fenced instead: nothing is undone, a
 * receipt stays behind as its tombstone, and the step is refused if it comes later. A step that is running is waited for.
 *
 * @param work - gets what the step returned. What it throws is thrown on: roll back, and the step is as it was
 * @throws RangeError when `tx` is not inside a transaction
 */
export async function undoStep<T, D, Tx extends Queryable>(
  tx: Tx,
  key: StepKey,
  work: (tx: Tx, done: D) => Promise<T>,
  options: ReceiptOptions = {},
): Promise<UndoOutcome<T>> {
  const { receipts, place } = await openReceipts(tx, key, options);
  if (await receipts.insert(tx, place('do'), 'fenced')) return { kind: 'nothing_to_undo' };
  const did = stateOf<D>((await receipts.read(tx, place('do')))!, null);
  if (did.kind !== 'done') return { kind: 'nothing_to_undo' };
  if (!(await receipts.insert(tx, place('undo'), 'intended'))) {
    const { outcome } = (await receipts.read(tx, place('undo')))!;
    return { kind: 'undone', value: outcome['value'] as T, repeated: true };
  }
  const value = asStored(await work(tx, did.value)) as T;
  await receipts.finish(tx, place('undo'), 'done', { value });
  return { kind: 'undone', value, repeated: false };
}

/**
 * Closes a step, in the caller's transaction: what has not happened by then never can. The answer is final, and waits
 * for a step that is running. This is the back-check that "no row, so it was rolled back" is not.
 * @throws RangeError when `tx` is not inside a transaction
 */
export async function fenceStep<T>(
  tx: Queryable,
  key: StepKey,
  options: ReceiptOptions = {},
): Promise<StepState<T>> {
  const { receipts, place } = await openReceipts(tx, key, options);
  if (await receipts.insert(tx, place('do'), 'fenced')) return { kind: 'fenced' };
  return (await readStep<T>(tx, key, options))!;
}

/**
 * How a step stands, as far as it is committed. On a pool or in a transaction.
 * @returns null when it is undecided: it may be running, or may still come. Only `fenceStep` makes that definite
 */
export async function readStep<T>(
  client: Queryable,
  key: StepKey,
  { table = DEFAULT_TABLE }: ReceiptOptions = {},
): Promise<StepState<T> | null> {
  const { receipts, place } = receiptsOf(key, table);
  const did = await receipts.read(client, place('do'));
  return did === null ? null : stateOf<T>(did, await receipts.read(client, place('undo')));
}

interface OpenReceipts {
  receipts: ReceiptStore;
  place: (op: 'do' | 'undo') => StoredKey;
}

function receiptsOf({ aggregate, step }: StepKey, table: string): OpenReceipts {
  const named = { owner: checkedText('aggregate', aggregate), step: checkedText('step', step) };
  const receipts = receiptsIn({ table: tableName(table), ownerColumn: 'aggregate_id' });
  return { receipts, place: (op) => ({ ...named, op }) };
}

async function openReceipts(
  tx: Queryable,
  key: StepKey,
  { table = DEFAULT_TABLE }: ReceiptOptions,
): Promise<OpenReceipts> {
  const opened = receiptsOf(key, table);
  await requireTransaction(tx, table);
  return opened;
}

function stateOf<T>({ state, outcome }: Receipt, undo: Receipt | null): StepState<T> {
  if (state === 'fenced') return { kind: 'fenced' };
  if (state === 'refused') return { kind: 'refused', code: outcome['code'] as string };
  return { kind: undo === null ? 'done' : 'undone', value: outcome['value'] as T };
}

function isRefusal(value: unknown): value is Refusal {
  const { kind, code } = (value ?? {}) as Partial<Refusal>;
  return kind === 'refused' && typeof code === 'string';
}

/** What a repeat will read: the first answer must not hold more than the stored one. */
function asStored(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
