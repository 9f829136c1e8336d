/**
 * What your own transactions need: `import { transaction, doStep } from 'aftercommit/transactions'`. Receipts make a
 * step that is repeated take effect once, fences keep a late one out, and events and workflows are enqueued beside your
 * own rows. It works on the `pg` pool that you bring. See docs/own-transactions.md.
 */
export { DatabaseUnavailableError } from '../errors';
export { transaction } from '../database/transaction';
export type { Isolation, TransactionOptions } from '../database/transaction';
export { enqueueEvent, enqueueWorkflow } from './enqueue';
export type { EnqueuedEvent, EnqueuedWorkflow } from './enqueue';
export { createReceipts, RECEIPTS_DDL } from './receipts-table';
export type { ReceiptOptions } from './receipts-table';
export { doStep, FENCED, fenceStep, readStep, refuse, undoStep } from './steps';
export type { Refusal, StepKey, StepOutcome, StepState, UndoOutcome } from './steps';
