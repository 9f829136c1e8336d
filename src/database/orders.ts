import type { Pool } from 'pg';
import { NOTHING_TO_FULFIL, type Fulfilment } from '../domain/fulfilment';
import {
  orderWorkflowId,
  type Ending,
  type OrderProgress,
  type OrderRequest,
  type OrderStatus,
  type PaymentMode,
  type PaymentStatus,
  type Places,
} from '../domain/orders';
import { commitOrders } from './commits';
import { FULFILMENT_COLUMN } from './fulfilment';
import { IS_LIVE } from './payments';
import type { PhoneHash } from './phone-hash';
import { insertReceipt } from './receipts';
import type { StoredAnswer } from './requests';
import { statement, transaction, type Queryable } from './transaction';

/**
 * Commits orders of the standard lane, which supervise themselves: `order/{orderId}`. Idempotent by order id: a repeat
 * changes nothing. The order, the stock and the event come together or not at all.
 */
export async function placeOrders(
  pool: Pool,
  orders: { orderId: string; caller: string; request: OrderRequest }[],
  context: { at: string; places: Places; phoneHash: PhoneHash },
): Promise<PlacedOrder[]> {
  const asked = orders.map((order) => ({
    ...order,
    workflowId: orderWorkflowId(order.orderId),
    fingerprint: null,
    saleId: null,
  }));
  const outcomes = await commitOrders(pool, asked, { ...context, groupId: null, rules: null, sender: null });
  return outcomes.map(({ orderId, state, outcome, decidedNow, answer }) => ({
    orderId,
    state: state!,
    code: outcome.code ?? null,
    decidedNow,
    answer,
  }));
}

/** What the receipt of a commit holds, and whether this call wrote it. */
export interface PlacedOrder {
  orderId: string;
  state: 'done' | 'refused' | 'fenced';
  code: string | null;
  decidedNow: boolean;
  /** Null for a refused order that nobody was answered for yet. */
  answer: StoredAnswer | null;
}

interface ProgressRow {
  state: 'done' | 'refused' | 'fenced';
  code: string | null;
  status: OrderStatus | null;
  payment_status: PaymentStatus | null;
  payment_mode: PaymentMode | null;
  payment_id: string | null;
  payment_is_live: boolean | null;
  deadline: string | null;
  fulfilment: Fulfilment | null;
  epoch: number | null;
  ending: Ending | null;
}

/** What was decided, or null while nothing is. */
export async function readProgress(client: Queryable, orderId: string): Promise<OrderProgress | null> {
  const { rows } = await client.query<ProgressRow>(
    `select r.state, r.outcome ->> 'code' as code, o.status, o.payment_status, o.payment_mode, o.deadline, o.epoch, o.ending,
       p.payment_id, ${IS_LIVE} as payment_is_live,
       ${FULFILMENT_COLUMN} as fulfilment
     from aftercommit.step_receipts r
     left join aftercommit.orders o on o.order_id = r.order_id
     left join lateral (select * from aftercommit.order_payments where order_id = r.order_id) p on true
     where r.order_id = $1 and r.step = 'commit' and r.op = 'do'`,
    [orderId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    decision: row.state === 'done' ? 'committed' : row.state === 'refused' ? 'rejected' : 'closed',
    code: row.state === 'fenced' ? 'transaction_closed' : row.code,
    status: row.status ?? 'REJECTED',
    paymentStatus: row.payment_status ?? 'NONE',
    paymentMode: row.payment_mode ?? 'none',
    paymentId: row.payment_id,
    paymentIsLive: row.payment_id !== null && row.payment_is_live === true,
    deadline: row.deadline,
    fulfilment: row.status === null ? NOTHING_TO_FULFIL : (row.fulfilment ?? NOTHING_TO_FULFIL),
    epoch: row.epoch ?? 1,
    ending: row.ending,
  };
}

/**
 * Makes the commit of an order impossible unless it has happened: a fence on `commit`. Waits for a commit that is still
 * running. Idempotent; the answer is final.
 */
export async function closeTransaction(pool: Pool, orderId: string): Promise<OrderProgress> {
  return transaction(pool, async (client) => {
    await insertReceipt(client, { orderId, step: 'commit', op: 'do' }, 'fenced', {
      code: 'transaction_closed',
    });
    await client.query('update aftercommit.order_requests set body = null where order_id = $1', [orderId]);
    const progress = await readProgress(client, orderId);
    if (progress === null) throw new RangeError('a fenced order has a receipt');
    return progress;
  });
}

/** Stores the answer to a rejected request unless one is stored. Returns the one that counts: the first. */
export async function storeAnswer(pool: Pool, orderId: string, answer: StoredAnswer): Promise<StoredAnswer> {
  const [row] = await statement<{ answer_status: number; answer_body: string }>(
    pool,
    `update aftercommit.step_receipts
     set answer_status = coalesce(answer_status, $2), answer_body = coalesce(answer_body, $3)
     where order_id = $1 and step = 'commit' and op = 'do' returning answer_status, answer_body`,
    [orderId, answer.status, answer.body],
  );
  if (row === undefined) throw new RangeError('an answer needs a decision');
  return { status: row.answer_status, body: row.answer_body };
}
