import { createSequences, processInOrder } from 'aftercommit/consumer';
import {
  createReceipts,
  doStep,
  readStep,
  refuse,
  transaction,
  undoStep,
  type StepOutcome,
  type StepState,
  type UndoOutcome,
} from 'aftercommit/transactions';
import type { Pool, PoolClient } from 'pg';
import type { Charge } from './payment-client';

/** The tables of the payment service. They may be in a database of its own: nothing of aftercommit's is there. */
const SCHEMA = `
create schema if not exists payments;
create table if not exists payments.charges (
  booking_id   text primary key,
  amount_minor int  not null check (amount_minor > 0),
  currency     text not null,
  state        text not null check (state in ('CAPTURED', 'REFUNDED'))
);
`;
const RECEIPTS = { table: 'payments.receipts' };
const SEQUENCES = { table: 'payments.sequences', consumer: 'charges' };

/** An event of a booking, as far as it is read here. */
export interface BookingEvent {
  type: string;
  bookingId: string;
  seq: number;
  detail: Record<string, unknown>;
}

export async function createPaymentTables(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
  await createReceipts(pool, RECEIPTS);
  await createSequences(pool, SEQUENCES);
}

/**
 * Handles an event once, and those of a booking in their order, in one transaction with what it changes.
 * @returns false for one that was handled before
 * @throws SequenceGapError when one before it is missing: let the sender come again
 */
export async function handleEvent(pool: Pool, event: BookingEvent): Promise<boolean> {
  const { bookingId: key, seq } = event;
  const { processed } = await transaction(pool, (tx) =>
    processInOrder(
      tx,
      { key, seq },
      () => (event.type === 'flight.booked' ? charge(tx, event) : undefined),
      SEQUENCES,
    ),
  );
  return processed;
}

const stepOf = (bookingId: string) => ({ aggregate: bookingId, step: 'charge' });

/** Refused, and for good, when the charge was cancelled before its event came. */
function charge(tx: PoolClient, { bookingId, detail }: BookingEvent): Promise<StepOutcome<Charge>> {
  return doStep(
    tx,
    stepOf(bookingId),
    async () => {
      if (detail['card'] === 'card_declined') return refuse('card_declined');
      const { amountMinor, currency } = detail as unknown as Charge;
      await tx.query(`insert into payments.charges values ($1, $2, $3, 'CAPTURED')`, [
        bookingId,
        amountMinor,
        currency,
      ]);
      return { amountMinor, currency };
    },
    RECEIPTS,
  );
}

export function cancelCharge(pool: Pool, bookingId: string): Promise<UndoOutcome<null>> {
  return transaction(pool, (tx) =>
    undoStep(
      tx,
      stepOf(bookingId),
      async () => {
        await tx.query(`update payments.charges set state = 'REFUNDED' where booking_id = $1`, [bookingId]);
        return null;
      },
      RECEIPTS,
    ),
  );
}

/** @returns null while nothing is decided */
export function readCharge(pool: Pool, bookingId: string): Promise<StepState<Charge> | null> {
  return readStep<Charge>(pool, stepOf(bookingId), RECEIPTS);
}
