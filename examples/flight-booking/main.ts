import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import { openService } from '../service';
import type { Booking } from './bookings';
import { putFlight } from './flights';
import { startFlightSystem, type FlightSystem } from './system';

/** `npm run example:flight-booking`: books flights, takes the payment service away for a while, and loses nothing. */

const FLIGHT = 'AC-1';
const BOOKED_MEANWHILE = 3;
const POLL_MS = 100;
const WAIT_MAX_MS = 60_000;

const say = (line = ''): void => console.log(line);

async function main(): Promise<void> {
  say('Starting aftercommit, the booking service and the payment service …');
  const service = await openService(process.env);
  const pool = new Pool({ connectionString: service.databaseUrl, max: 2 });
  let system: FlightSystem | null = null;
  try {
    system = await startFlightSystem(service);
    await putFlight(pool, { flightId: FLIGHT, seatsLeft: 10, fareMinor: 12_900, currency: 'EUR' });
    await tell(system, { apiUrl: service.apiUrl, pool });
  } finally {
    await system?.stop();
    await pool.end();
    await service.stop();
  }
}

async function tell(system: FlightSystem, { apiUrl, pool }: { apiUrl: string; pool: Pool }): Promise<void> {
  const book = (card: string): Promise<string> => bookFlight(system.bookingsUrl, card);
  const end = (bookingId: string): Promise<Booking> => untilEnded(system.bookingsUrl, bookingId);
  const show = async (): Promise<void> => {
    const { rows } = await pool.query<{ left: number; charged: number }>(
      `select (select seats_left from flights.flights where flight_id = $1) as left,
              (select count(*)::int from payments.charges where state = 'CAPTURED') as charged`,
      [FLIGHT],
    );
    say(
      `   ${rows[0]!.left} seats left, ${rows[0]!.charged} charged, ${await pending(apiUrl)} events in the outbox`,
    );
  };

  say('\n1. A flight is booked: seat, event and workflow in one transaction.');
  say(`   ${describe(await end(await book('card_ok')))}`);
  await outboxEmpty(apiUrl);
  await show();

  say('\n2. A card is declined: the seat is given back.');
  say(`   ${describe(await end(await book('card_declined')))}`);
  await outboxEmpty(apiUrl);
  await show();

  say(`\n3. The payment service is killed, and ${BOOKED_MEANWHILE} flights are booked all the same.`);
  await system.killPayments();
  const meanwhile: string[] = [];
  for (let n = 0; n < BOOKED_MEANWHILE; n += 1) meanwhile.push(await book('card_ok'));
  await show();

  say('\n4. It is back: nothing was lost, and nobody is charged twice.');
  await system.startPayments();
  for (const bookingId of meanwhile) say(`   ${describe(await end(bookingId))}`);
  await outboxEmpty(apiUrl);
  await show();
}

async function bookFlight(bookingsUrl: string, card: string): Promise<string> {
  const bookingId = randomUUID();
  const answer = await fetch(`${bookingsUrl}/bookings/${bookingId}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ flightId: FLIGHT, card }),
  });
  if (answer.status !== 201) throw new Error(`the booking service answered ${answer.status}`);
  return bookingId;
}

function untilEnded(bookingsUrl: string, bookingId: string): Promise<Booking> {
  return until('the booking ends', async () => {
    const booking = (await (await fetch(`${bookingsUrl}/bookings/${bookingId}`)).json()) as Booking;
    return booking.state === 'BOOKED' ? null : booking;
  });
}

async function pending(apiUrl: string): Promise<number> {
  const answer = await fetch(`${apiUrl}/v1/events?status=PENDING`);
  return ((await answer.json()) as { data: unknown[] }).data.length;
}

async function outboxEmpty(apiUrl: string): Promise<void> {
  await until('the outbox is empty', async () => ((await pending(apiUrl)) === 0 ? true : null));
}

async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + WAIT_MAX_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${WAIT_MAX_MS / 1_000} s: ${what}`);
    await delay(POLL_MS);
  }
}

function describe({ bookingId, state, ticket, code }: Booking): string {
  return `booking ${bookingId.slice(0, 8)}: ${state}, ${ticket ?? code}`;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
