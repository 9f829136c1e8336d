import { randomInt } from 'node:crypto';
import { readOrderEvents } from '../../src/database/order-history';
import { readOrder } from '../../src/database/order-views';
import { orderAsOf, type OrderAsOf } from '../../src/domain/order-history';
import type { OrderView } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { randomLife, type Draw } from './order-lives';
import { uuidV5 } from '../../src/database/ids';

const LIVES = 60;
const PLACES = { temporalUiUrl: null, namespace: 'default' };
/** Between one event of a life and the next. */
const STEP_MS = 60_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** The same numbers for the same seed. Source: mulberry32, public domain. */
function drawFrom(seed: number): Draw {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What both views tell. */
function facts(order: OrderAsOf | OrderView): object {
  const { status, lines, totalMinor, currency, customerId, createdAt, payment } = order;
  const { mode, status: paymentStatus, refundedMinor } = payment;
  // Captured and not confirmed is no event yet.
  const capturedMinor = status === 'PENDING_PAYMENT' ? null : payment.capturedMinor;
  const paid = { mode, paymentStatus, capturedMinor, refundedMinor };
  return { status, lines, totalMinor, currency, customerId, createdAt, ...paid };
}

describe('an order as of a time', () => {
  const seed = Number(process.env['AFTERCOMMIT_TEST_SEED'] ?? randomInt(1_000_000));

  it(`is what its row was then, in ${LIVES} random lives (AFTERCOMMIT_TEST_SEED=${seed})`, async () => {
    const draw = drawFrom(seed);
    let compared = 0;
    for (let n = 0; n < LIVES; n += 1) {
      const name = `life-${seed}-${n}`;
      const orderId = uuidV5('00000000-0000-4000-8000-000000000000', name);
      const startMs = Date.parse('2026-01-02T03:04:05.678Z');
      const rows: { at: string; row: OrderView }[] = [];
      const { events } = randomLife(database.pool, name, draw);
      for (const [index, happen] of events.entries()) {
        const at = new Date(startMs + index * STEP_MS).toISOString();
        await happen(at);
        rows.push({ at, row: (await readOrder(database.pool, orderId, PLACES))! });
      }

      const told = await readOrderEvents(database.pool, orderId);

      expect(orderAsOf(told, new Date(startMs - 1).toISOString())).toBeNull();
      for (const [index, { at, row }] of rows.entries()) {
        // While it is being undone nobody was told yet.
        if (row.status === 'COMPENSATING') continue;
        const life = `${name}: ${told.map(({ type }) => type).join(', ')}; event ${index + 1}`;
        const justBeforeTheNext = new Date(Date.parse(at) + STEP_MS - 1).toISOString();
        for (const time of [at, justBeforeTheNext]) {
          const then = orderAsOf(told, time)!;
          expect({ life, ...facts(then) }).toEqual({ life, ...facts(row) });
        }
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(LIVES);
  }, 60_000);
});
