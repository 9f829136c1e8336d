import { randomUUID } from 'node:crypto';
import type { Booking } from '../../examples/flight-booking/bookings';
import { putFlight } from '../../examples/flight-booking/flights';
import { cancelCharge, handleEvent, readCharge } from '../../examples/flight-booking/payments';
import { startFlightSystem, type FlightSystem } from '../../examples/flight-booking/system';
import { startStack, type Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';

/** The example on the running product: two services of a user's own, built from what the package exports. */
let stack: Stack;
let flights: FlightSystem;

beforeAll(async () => {
  stack = await startStack();
  flights = await startFlightSystem({
    apiUrl: stack.url,
    databaseUrl: stack.database.url,
    temporalAddress: stack.temporalServer.address,
  });
}, 120_000);
afterAll(async () => {
  await flights?.stop();
  await stack?.stop();
}, 60_000);

const FARE_MINOR = 12_900;
async function fly(flightId: string, seatsLeft: number, closed = false): Promise<void> {
  const fare = { fareMinor: FARE_MINOR, currency: 'EUR' };
  await putFlight(stack.database.pool, { flightId, seatsLeft, ...fare, closed });
}

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function book(flightId: string, card = 'card_ok', bookingId: string = randomUUID()): Promise<Answer> {
  const answer = await fetch(`${flights.bookingsUrl}/bookings/${bookingId}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ flightId, card }),
  });
  return { status: answer.status, body: { bookingId, ...((await answer.json()) as object) } };
}
const booked = async (flightId: string, card?: string): Promise<string> =>
  String((await book(flightId, card)).body['bookingId']);

const ended = (bookingId: string): Promise<Booking> =>
  waitFor(`booking ${bookingId} ends`, async () => {
    const answer = await fetch(`${flights.bookingsUrl}/bookings/${bookingId}`);
    const booking = (await answer.json()) as Booking;
    return booking.state === 'BOOKED' ? null : booking;
  });

async function seatsLeft(flightId: string): Promise<number> {
  const answer = await fetch(`${flights.bookingsUrl}/flights`);
  const { data } = (await answer.json()) as { data: { flightId: string; seatsLeft: number }[] };
  return data.find((flight) => flight.flightId === flightId)!.seatsLeft;
}

const chargesOf = async (bookingIds: string[]): Promise<unknown[]> => {
  const { rows } = await stack.database.pool.query<{ amountMinor: number; state: string }>(
    `select amount_minor as "amountMinor", state from payments.charges where booking_id = any($1)`,
    [bookingIds],
  );
  return rows;
};
const CAPTURED = { amountMinor: FARE_MINOR, state: 'CAPTURED' };

/** Types of the events of the bookings that are not delivered yet, by what the outbox shows. */
async function inOutbox(bookingIds: string[]): Promise<string[]> {
  const { body } = await stack.request('GET', '/v1/events?status=PENDING&limit=100');
  const events = body['data'] as { 'detail-type': string; detail: { subject?: string } }[];
  return events
    .filter(({ detail }) => bookingIds.includes(detail.subject ?? ''))
    .map((event) => event['detail-type']);
}
const outboxEmpties = (bookingIds: string[]): Promise<unknown> =>
  waitFor('the outbox is empty', async () => (await inOutbox(bookingIds)).length === 0);

it('books the seat, takes the payment and issues the ticket', async () => {
  await fly('AC-1', 2);

  const bookingId = await booked('AC-1');

  expect(await ended(bookingId)).toMatchObject({
    state: 'TICKETED',
    ticket: `ETKT-${bookingId.slice(0, 8)}`,
  });
  expect(await seatsLeft('AC-1')).toBe(1);
  expect(await chargesOf([bookingId])).toEqual([CAPTURED]);
  await outboxEmpties([bookingId]);
  const handle = stack.temporal.workflow.getHandle(`flight-booking/${bookingId}`);
  expect(await handle.result()).toMatchObject({ state: 'TICKETED' });
});

it('gives the seat back when the payment is refused', async () => {
  await fly('AC-2', 1);

  const bookingId = await booked('AC-2', 'card_declined');

  expect(await ended(bookingId)).toMatchObject({ state: 'CANCELLED', code: 'card_declined', ticket: null });
  expect([await seatsLeft('AC-2'), await chargesOf([bookingId])]).toEqual([1, []]);
});

it('gives money and seat back when the ticket is refused after the payment', async () => {
  await fly('AC-3', 1, true);

  const bookingId = await booked('AC-3');

  expect(await ended(bookingId)).toMatchObject({ state: 'CANCELLED', code: 'flight_closed', ticket: null });
  expect(await seatsLeft('AC-3')).toBe(1);
  expect(await chargesOf([bookingId])).toEqual([{ ...CAPTURED, state: 'REFUNDED' }]);
});

it('sells each seat once, and writes nothing for who comes too late', async () => {
  await fly('AC-4', 1);

  const answers = await Promise.all(Array.from({ length: 5 }, () => book('AC-4')));

  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  const late = answers.filter(({ status }) => status === 409).map(({ body }) => String(body['bookingId']));
  const { rows } = await stack.database.pool.query(
    `select 1 from aftercommit.outbox where subject = any($1)
     union all select 1 from aftercommit.workflow_starts where workflow_id = any($2)`,
    [late, late.map((bookingId) => `flight-booking/${bookingId}`)],
  );
  expect(rows).toEqual([]);
});

it('answers a repeat as the first, and books once', async () => {
  await fly('AC-5', 3);
  const bookingId = randomUUID();

  const answers = await Promise.all(Array.from({ length: 5 }, () => book('AC-5', 'card_ok', bookingId)));

  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]!.status).toBe(201);
  expect(await book('AC-1', 'card_ok', bookingId)).toMatchObject({ status: 422 });
  expect(await seatsLeft('AC-5')).toBe(2);
});

it.each([
  ['no flight', { card: 'card_ok' }, randomUUID(), 400],
  ['a flight that does not exist', { flightId: 'AC-0', card: 'card_ok' }, randomUUID(), 409],
  ['an id that is none', { flightId: 'AC-1', card: 'card_ok' }, 'booking-7', 400],
])('refuses %s', async (_what, body, bookingId, status) => {
  const answer = await fetch(`${flights.bookingsUrl}/bookings/${bookingId}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

  expect(answer.status).toBe(status);
});

it('loses nothing while the payment service is away, and charges each booking once when it is back', async () => {
  await fly('AC-6', 10);
  await flights.killPayments();
  const bookings = await Promise.all(Array.from({ length: 5 }, () => booked('AC-6')));
  await waitFor('a delivery has failed', async () => {
    const { rows } = await stack.database.pool.query(
      `select 1 from aftercommit.delivery_attempts a join aftercommit.deliveries d using (delivery_id)
       join aftercommit.outbox o on o.id = d.event_id where o.subject = any($1) and a.error_code is not null`,
      [bookings],
    );
    return rows.length > 0;
  });
  expect(await inOutbox(bookings)).toEqual(Array.from({ length: 5 }, () => 'flight.booked'));
  expect(await chargesOf(bookings)).toEqual([]);

  await flights.startPayments();

  for (const bookingId of bookings) expect(await ended(bookingId)).toMatchObject({ state: 'TICKETED' });
  await outboxEmpties(bookings);
  const charged = Array.from({ length: 5 }, () => CAPTURED);
  expect([await seatsLeft('AC-6'), await chargesOf(bookings)]).toEqual([5, charged]);

  // Every event once more, as after somebody's doubt.
  const replay = await stack.request('POST', '/v1/replays', { target: 'flight-payments' });
  const { replayId } = replay.body;
  await waitFor('the replay is over', async () => {
    const { body } = await stack.request('GET', `/v1/replays/${String(replayId)}`);
    return body['state'] === 'COMPLETED';
  });
  expect(await chargesOf(bookings)).toEqual(charged);
}, 120_000);

it('refuses a charge whose cancel came first, and one out of its turn', async () => {
  const { pool } = stack.database;
  const bookingId = randomUUID();
  const detail = { amountMinor: FARE_MINOR, currency: 'EUR', card: 'card_ok' };
  const event = { type: 'flight.booked', bookingId, seq: 1, detail };

  expect(await cancelCharge(pool, bookingId)).toEqual({ kind: 'nothing_to_undo' });
  await expect(handleEvent(pool, { ...event, type: 'flight.released', seq: 2 })).rejects.toMatchObject({
    code: 'sequence_gap',
  });
  expect(await handleEvent(pool, event)).toBe(true);
  expect(await handleEvent(pool, event)).toBe(false);

  expect([await readCharge(pool, bookingId), await chargesOf([bookingId])]).toEqual([{ kind: 'fenced' }, []]);
});

it('takes no event that is not signed', async () => {
  const event = { 'detail-type': 'flight.booked', detail: { subject: randomUUID(), seq: 1 } };

  const answer = await fetch(`${flights.paymentsUrl}/events`, {
    method: 'POST',
    body: JSON.stringify(event),
  });

  expect(answer.status).toBe(400);
});
