import express, { type Express } from 'express';
import type { Pool } from 'pg';
import { bookSeat, readBooking } from './bookings';
import { listFlights } from './flights';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The booking service over HTTP. The caller chooses the booking's id, so that a request whose answer was lost is simply
 * sent again: `PUT /bookings/{bookingId}`, `GET` of it, and `GET /flights`.
 */
export function createBookingApp({ pool }: { pool: Pool }): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '10kb' }));
  app.put('/bookings/:bookingId', async (req, res) => {
    const { bookingId } = req.params;
    const { flightId, card } = (req.body ?? {}) as { flightId?: unknown; card?: unknown };
    if (!UUID.test(bookingId) || !isText(flightId) || !isText(card)) {
      return void res.status(400).json({ code: 'malformed_request' });
    }
    const outcome = await bookSeat(pool, { bookingId, flightId, card });
    if (outcome.kind === 'refused') return void res.status(409).json({ code: outcome.code });
    // The id was used for something else: the first booking stands.
    if (outcome.value.flightId !== flightId) return void res.status(422).json({ code: 'booking_id_reused' });
    res.status(201).json({ bookingId, ...outcome.value });
  });
  app.get('/bookings/:bookingId', async (req, res) => {
    const { bookingId } = req.params;
    const booking = UUID.test(bookingId) ? await readBooking(pool, bookingId) : null;
    if (booking === null) return void res.status(404).json({ code: 'not_found' });
    res.json(booking);
  });
  app.get('/flights', async (_req, res) => {
    res.json({ data: await listFlights(pool) });
  });
  return app;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 100 && !value.includes('\0');
}
