import type { Pool } from 'pg';
import { issueTicket, releaseSeat, voidTicket } from './bookings';
import { readCharge, undoCharge, type Charge } from './payment-client';

interface BookingId {
  bookingId: string;
}

/** A definite no of a step, as the saga kit knows it. */
interface Refused {
  kind: 'refused';
  code: string;
}

export interface BookingActivities {
  awaitCharge(booking: BookingId): Promise<Charge | Refused>;
  cancelCharge(booking: BookingId): Promise<void>;
  issueTicket(booking: BookingId): Promise<{ ticket: string } | Refused>;
  voidTicket(booking: BookingId): Promise<void>;
  releaseSeat(booking: BookingId & { code: string }): Promise<void>;
}

export function createActivities({
  pool,
  paymentsUrl,
}: {
  pool: Pool;
  paymentsUrl: string;
}): BookingActivities {
  return {
    awaitCharge: ({ bookingId }) => readCharge(paymentsUrl, bookingId),
    cancelCharge: ({ bookingId }) => undoCharge(paymentsUrl, bookingId),
    async issueTicket({ bookingId }) {
      const outcome = await issueTicket(pool, bookingId);
      return outcome.kind === 'done' ? outcome.value : outcome;
    },
    async voidTicket({ bookingId }) {
      await voidTicket(pool, bookingId);
    },
    async releaseSeat(booking) {
      await releaseSeat(pool, booking);
    },
  };
}
