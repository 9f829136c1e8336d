import type { Pool } from 'pg';

/** A flight on sale. Its table is made with those of the bookings. */
export interface Flight {
  flightId: string;
  seatsLeft: number;
  fareMinor: number;
  currency: string;
}

export async function listFlights(pool: Pool): Promise<Flight[]> {
  const { rows } = await pool.query<Flight>(
    `select flight_id as "flightId", seats_left as "seatsLeft", fare_minor as "fareMinor", currency
     from flights.flights order by flight_id`,
  );
  return rows;
}

/** Puts a flight on sale, as it is said to be: repeated, it has these seats again. */
export async function putFlight(pool: Pool, flight: Flight & { closed?: boolean }): Promise<void> {
  const { flightId, seatsLeft, fareMinor, currency, closed = false } = flight;
  await pool.query(
    `insert into flights.flights (flight_id, seats_left, fare_minor, currency, closed) values ($1, $2, $3, $4, $5)
     on conflict (flight_id) do update set seats_left = excluded.seats_left, fare_minor = excluded.fare_minor,
       currency = excluded.currency, closed = excluded.closed`,
    [flightId, seatsLeft, fareMinor, currency, closed],
  );
}
