import {
  createReceipts,
  doStep,
  enqueueEvent,
  enqueueWorkflow,
  refuse,
  transaction,
  undoStep,
  type StepOutcome,
  type UndoOutcome,
} from 'aftercommit/transactions';
import type { Pool } from 'pg';

/** The tables of the booking service, in a schema of its own beside the service's. */
const SCHEMA = `
create schema if not exists flights;
create table if not exists flights.flights (
  flight_id  text primary key,
  seats_left int  not null check (seats_left >= 0),
  fare_minor int  not null check (fare_minor > 0),
  currency   text not null,
  closed     bool not null default false
);
create table if not exists flights.bookings (
  booking_id uuid primary key,
  flight_id  text not null references flights.flights,
  state      text not null check (state in ('BOOKED', 'TICKETED', 'CANCELLED')),
  code       text,
  ticket     text
);
`;
const RECEIPTS = { table: 'flights.receipts' };
const SOURCE = 'flights';
export const TASK_QUEUE = 'flight-booking';

export interface NewBooking {
  bookingId: string;
  flightId: string;
  /** A token of the payment service's, never a card number. */
  card: string;
}

export interface BookedSeat {
  flightId: string;
  amountMinor: number;
  currency: string;
}

export interface Booking {
  bookingId: string;
  flightId: string;
  state: 'BOOKED' | 'TICKETED' | 'CANCELLED';
  code: string | null;
  ticket: string | null;
}

export async function createBookingTables(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
  await createReceipts(pool, RECEIPTS);
}

/**
 * Takes a seat. The booking, its event and the workflow that goes on from here are committed together or not at all.
 * Idempotent by the booking's id.
 */
export function bookSeat(pool: Pool, booking: NewBooking): Promise<StepOutcome<BookedSeat>> {
  const { bookingId, flightId, card } = booking;
  return transaction(pool, (tx) =>
    doStep(
      tx,
      { aggregate: bookingId, step: 'book' },
      async () => {
        const { rows } = await tx.query<BookedSeat>(
          `update flights.flights set seats_left = seats_left - 1 where flight_id = $1 and seats_left > 0
             returning flight_id as "flightId", fare_minor as "amountMinor", currency`,
          [flightId],
        );
        const seat = rows[0];
        if (seat === undefined) return refuse('sold_out');
        await tx.query(
          `insert into flights.bookings (booking_id, flight_id, state) values ($1, $2, 'BOOKED')`,
          [bookingId, flightId],
        );
        await enqueueWorkflow(tx, {
          workflowType: 'bookingWorkflow',
          workflowId: `flight-booking/${bookingId}`,
          taskQueue: TASK_QUEUE,
          input: { bookingId },
        });
        const detail = { bookingId, ...seat, card };
        await enqueueEvent(tx, { type: 'flight.booked', source: SOURCE, subject: bookingId, detail });
        return seat;
      },
      RECEIPTS,
    ),
  );
}

/** Gives the seat back. Safe when there is none: then it can never be taken under this id. */
export function releaseSeat(
  pool: Pool,
  { bookingId, code }: { bookingId: string; code: string },
): Promise<UndoOutcome<null>> {
  return transaction(pool, (tx) =>
    undoStep(
      tx,
      { aggregate: bookingId, step: 'book' },
      async (_tx, seat: BookedSeat) => {
        await tx.query(`update flights.bookings set state = 'CANCELLED', code = $2 where booking_id = $1`, [
          bookingId,
          code,
        ]);
        await tx.query('update flights.flights set seats_left = seats_left + 1 where flight_id = $1', [
          seat.flightId,
        ]);
        await enqueueEvent(tx, {
          type: 'flight.released',
          source: SOURCE,
          subject: bookingId,
          detail: { bookingId, code },
        });
        return null;
      },
      RECEIPTS,
    ),
  );
}

/** Issues the ticket, unless the flight was closed meanwhile. */
export function issueTicket(pool: Pool, bookingId: string): Promise<StepOutcome<{ ticket: string }>> {
  return transaction(pool, (tx) =>
    doStep(
      tx,
      { aggregate: bookingId, step: 'ticket' },
      async () => {
        const ticket = `ETKT-${bookingId.slice(0, 8)}`;
        const { rowCount } = await tx.query(
          `update flights.bookings b set state = 'TICKETED', ticket = $2 from flights.flights f
           where b.booking_id = $1 and f.flight_id = b.flight_id and not f.closed`,
          [bookingId, ticket],
        );
        if (rowCount === 0) return refuse('flight_closed');
        await enqueueEvent(tx, {
          type: 'flight.ticketed',
          source: SOURCE,
          subject: bookingId,
          detail: { bookingId, ticket },
        });
        return { ticket };
      },
      RECEIPTS,
    ),
  );
}

/** Makes the ticket void. Its booking is told of by whoever releases the seat. */
export function voidTicket(pool: Pool, bookingId: string): Promise<UndoOutcome<null>> {
  return transaction(pool, (tx) =>
    undoStep(
      tx,
      { aggregate: bookingId, step: 'ticket' },
      async () => {
        await tx.query('update flights.bookings set ticket = null where booking_id = $1', [bookingId]);
        return null;
      },
      RECEIPTS,
    ),
  );
}

export async function readBooking(pool: Pool, bookingId: string): Promise<Booking | null> {
  const { rows } = await pool.query<Booking>(
    `select booking_id as "bookingId", flight_id as "flightId", state, code, ticket
     from flights.bookings where booking_id = $1`,
    [bookingId],
  );
  return rows[0] ?? null;
}
