import type { Pool } from 'pg';
import type { Fulfilment } from '../domain/fulfilment';
import { pointsEntryIdOf, shipmentIdOf } from './ids';
import { finishReceipt, insertReceipt, readReceipt, type ReceiptKey } from './receipts';
import { transaction, type Queryable } from './transaction';

/** What is done at a participant for a confirmed order: one row of its own and one receipt each. */
export type FulfilmentStep = 'shipment' | 'points' | 'cart';

/**
 * The state that each outcome has in the row, and those that it may follow: a late answer takes nothing back. `tombstone` is
 * how the participant refuses what an undo has overtaken: that is no refusal of its own.
 */
const STEPS = {
  shipment: {
    table: 'shipments',
    receipt: (orderId: string) => `ship:${shipmentIdOf(orderId)}`,
    done: { state: 'BOOKED', after: ['INTENDED'] },
    undone: { state: 'CANCELLED', after: ['INTENDED', 'BOOKED'], tombstone: 'cancelled' },
  },
  points: {
    table: 'points',
    receipt: (orderId: string) => `points:${pointsEntryIdOf(orderId)}`,
    done: { state: 'AWARDED', after: ['INTENDED'] },
    undone: { state: 'REVERSED', after: ['INTENDED', 'AWARDED'], tombstone: 'reversed' },
  },
  cart: {
    table: 'carts',
    receipt: (orderId: string) => `cart:${orderId}`,
    done: { state: 'CLEARED', after: ['INTENDED'] },
    undone: { state: 'RESTORED', after: ['INTENDED', 'CLEARED'], tombstone: 'restored' },
  },
} as const;

function keyOf(step: FulfilmentStep, orderId: string, op: ReceiptKey['op']): ReceiptKey {
  return { orderId, step: STEPS[step].receipt(orderId), op };
}

/**
 * Writes that a participant is about to be asked, before anything is sent. Idempotent.
 * @returns false when an undo came first: nothing may be sent any more
 */
export async function intendStep(pool: Pool, step: FulfilmentStep, orderId: string): Promise<boolean> {
  return transaction(pool, async (client) => {
    const key = keyOf(step, orderId, 'do');
    if (await insertReceipt(client, key, 'intended')) return true;
    return (await readReceipt(client, key))?.state !== 'fenced';
  });
}

/**
 * Stores a definite answer. Idempotent; one that comes after an undo changes nothing.
 * @param answer.tracking - the carrier's name for a shipment
 */
export async function recordStep(
  pool: Pool,
  step: FulfilmentStep,
  orderId: string,
  answer: { kind: 'done'; tracking?: string } | { kind: 'refused'; code: string },
): Promise<void> {
  const { table, done } = STEPS[step];
  const isDone = answer.kind === 'done';
  const code = isDone ? null : answer.code;
  await transaction(pool, async (client) => {
    await finishReceipt(
      client,
      keyOf(step, orderId, 'do'),
      isDone ? 'done' : 'refused',
      isDone ? {} : { code },
    );
    await client.query(
      `update aftercommit.${table} set state = $2, error_code = $3, updated_at = now() where order_id = $1 and state = any($4)`,
      [orderId, isDone ? done.state : 'REFUSED', code, done.after],
    );
    if (isDone && answer.tracking !== undefined) {
      await client.query(
        'update aftercommit.shipments set tracking_id = coalesce(tracking_id, $2) where order_id = $1',
        [orderId, answer.tracking],
      );
    }
  });
}

/**
 * The first step of an undo: when nothing was ever sent, a fence takes the place of the intent, and nothing can be sent any
 * more. Idempotent.
 * @returns true when the participant was asked, so that it must be asked to take it back
 */
export async function fenceStep(pool: Pool, step: FulfilmentStep, orderId: string): Promise<boolean> {
  return transaction(pool, async (client) => {
    const key = keyOf(step, orderId, 'do');
    if (await insertReceipt(client, key, 'fenced')) {
      await undo(client, step, orderId);
      return false;
    }
    return (await readReceipt(client, key))?.state !== 'fenced';
  });
}

/** Stores that the participant took it back, or never did it and never can. Idempotent. */
export async function recordUndone(pool: Pool, step: FulfilmentStep, orderId: string): Promise<void> {
  await transaction(pool, async (client) => {
    if (await insertReceipt(client, keyOf(step, orderId, 'undo'), 'done')) await undo(client, step, orderId);
  });
}

async function undo(client: Queryable, step: FulfilmentStep, orderId: string): Promise<void> {
  const { table, undone } = STEPS[step];
  await client.query(
    `update aftercommit.${table} set state = $2, error_code = null, updated_at = now()
     where order_id = $1 and (state = any($3) or (state = 'REFUSED' and error_code = $4))`,
    [orderId, undone.state, undone.after, undone.tombstone],
  );
}

/** One JSON document per order, for statements that read the order `o` anyway. */
export const FULFILMENT_COLUMN = `jsonb_build_object(
  'shipment', (select jsonb_build_object('shipmentId', s.shipment_id, 'state', s.state, 'code', s.error_code) from aftercommit.shipments s where s.order_id = o.order_id),
  'points', (select jsonb_build_object('entryId', e.entry_id, 'state', e.state) from aftercommit.points e where e.order_id = o.order_id),
  'cart', (select jsonb_build_object('state', c.state) from aftercommit.carts c where c.order_id = o.order_id))`;

/** What is to be done for a confirmed order, and how far each step is. */
export async function readFulfilment(client: Queryable, orderId: string): Promise<Fulfilment> {
  const { rows } = await client.query<{ fulfilment: Fulfilment }>(
    `select ${FULFILMENT_COLUMN} as fulfilment from (select $1::uuid as order_id) o`,
    [orderId],
  );
  return rows[0]!.fulfilment;
}
