import { randomUUID } from 'node:crypto';
import type { DetectorName, FindingAction } from '../../src/domain/reconciliation';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { requestPayment } from '../../src/database/payment-requests';
import { intendPayment, recordPayment } from '../../src/database/payments';
import { requestRefund, settleRefund } from '../../src/database/refunds';
import { cancelledBecause } from '../../src/domain/orders';
import { authorizeAt, captureAt, type World } from './world';

/** One kind of damage: what finds it, and what becomes of it. */
export interface Damage {
  detector: DetectorName;
  action: Exclude<FindingAction, 'none'>;
  /** Damages one thing. Returns the subject of the finding that must come of it. */
  plant: (world: World) => Promise<string>;
}

/** Long before any grace. */
const LONG_AGO = `now() - interval '3 hours'`;

const sql = async (world: World, text: string, values: unknown[]): Promise<void> => {
  const { rowCount } = await world.pool.query(text, values);
  if (rowCount === 0) throw new Error(`nothing was damaged by: ${text}`);
};

type Planted = (detector: DetectorName, plant: Damage['plant']) => Damage;
const repaired: Planted = (detector, plant) => ({ detector, action: 'repaired', plant });
const parked: Planted = (detector, plant) => ({ detector, action: 'parked', plant });
const reported: Planted = (detector, plant) => ({ detector, action: 'reported', plant });

/** A payment row of an order that is over, in this state. */
async function oldPayment(world: World, orderId: string, state: string): Promise<string> {
  const paymentId = randomUUID();
  await sql(
    world,
    `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, state, undone_at, created_at, updated_at)
     select $1, order_id, 'tok_visa', total_minor, currency, $3, now(), ${LONG_AGO}, ${LONG_AGO} from aftercommit.orders where order_id = $2`,
    [paymentId, orderId, state],
  );
  return paymentId;
}

async function totalOf(world: World, orderId: string): Promise<number> {
  const { rows } = await world.pool.query<{ total_minor: number }>(
    'select total_minor from aftercommit.orders where order_id = $1',
    [orderId],
  );
  return rows[0]!.total_minor;
}

async function paymentOf(world: World, orderId: string): Promise<string> {
  const { rows } = await world.pool.query<{ payment_id: string }>(
    'select payment_id from aftercommit.order_payments where order_id = $1',
    [orderId],
  );
  return rows[0]!.payment_id;
}

async function skuOf(world: World, orderId: string): Promise<string> {
  const { rows } = await world.pool.query<{ sku: string }>(
    'select sku from aftercommit.order_lines where order_id = $1 limit 1',
    [orderId],
  );
  return rows[0]!.sku;
}

async function eventOf(world: World, orderId: string): Promise<string> {
  const { rows } = await world.pool.query<{ id: string }>(
    'select id from aftercommit.outbox where aggregate_id = $1 order by seq desc limit 1',
    [orderId],
  );
  return rows[0]!.id;
}

/** A request that was written and whose workflow never began (A2). */
async function undecided(world: World): Promise<string> {
  const [like, orderId] = [await world.order('confirmed'), randomUUID()];
  const body = {
    customer: { id: 'cus_planted', phone: '+14155550100', channels: [] },
    lines: [{ sku: await skuOf(world, like), quantity: 1, unitPriceMinor: 1000 }],
    currency: 'EUR',
    payment: { mode: 'none' },
  };
  await sql(
    world,
    `insert into aftercommit.order_requests (order_id, caller, fingerprint, body, created_at) values ($1, 'test', 'planted', $2, ${LONG_AGO})`,
    [orderId, JSON.stringify(body)],
  );
  return `request:${orderId}`;
}

const unrouted = async (world: World): Promise<string> => {
  const orderId = await world.order('confirmed');
  await sql(world, 'delete from aftercommit.deliveries where aggregate_id = $1', [orderId]);
  await sql(
    world,
    'update aftercommit.outbox set routed_at = null, published_at = null where aggregate_id = $1',
    [orderId],
  );
  return `aggregate:${orderId}`;
};

/** A sender that was killed between its claim and its record (B3, B4). */
const staleDelivery = async (world: World): Promise<string> => {
  const orderId = await world.order('paid');
  const eventId = await eventOf(world, orderId);
  await sql(
    world,
    `update aftercommit.deliveries set state = 'SENDING', send_until = ${LONG_AGO}, finished_at = null where event_id = $1`,
    [eventId],
  );
  await sql(world, 'update aftercommit.outbox set published_at = null where id = $1', [eventId]);
  return `aggregate:${orderId}`;
};

const missingEvent = async (world: World): Promise<string> => {
  const orderId = await world.order('refunded');
  const { rows } = await world.pool.query<{ id: string }>(
    `select id from aftercommit.outbox where aggregate_id = $1 and type = 'order.confirmed'`,
    [orderId],
  );
  const eventId = rows[0]!.id;
  await world.pool.query('delete from aftercommit.notifications where event_id = $1', [eventId]);
  await world.pool.query('delete from aftercommit.deliveries where event_id = $1', [eventId]);
  await sql(world, 'delete from aftercommit.outbox where id = $1', [eventId]);
  return `order:${orderId}`;
};

/** An order that says that it has more events than anybody can tell of. */
const eventGap = async (world: World): Promise<string> => {
  const orderId = await world.order('confirmed');
  await sql(world, 'update aftercommit.orders set last_seq = last_seq + 1 where order_id = $1', [orderId]);
  return `order:${orderId}:2`;
};

const leak = async (world: World): Promise<string> => {
  const sku = await skuOf(world, await world.order('confirmed'));
  await sql(
    world,
    'update aftercommit.inventory set reserved = reserved + 1, available = available - 1 where sku = $1',
    [sku],
  );
  return `sku:${sku}`;
};

/** The order's units are its own SKU's, so the difference is known. */
const shortReservation = async (world: World): Promise<string> => {
  const sku = await skuOf(world, await world.order('waiting'));
  await sql(
    world,
    'update aftercommit.inventory set reserved = reserved - 1, available = available + 1 where sku = $1',
    [sku],
  );
  return `sku:${sku}:1`;
};

const shortSold = async (world: World): Promise<string> => {
  const sku = await skuOf(world, await world.order('confirmed'));
  await sql(
    world,
    'update aftercommit.inventory set sold = sold - 1, available = available + 1 where sku = $1',
    [sku],
  );
  return `sku:${sku}:1`;
};

const wrongTotal = async (world: World): Promise<string> => {
  const paymentId = await paymentOf(world, await world.order('refunded'));
  await sql(
    world,
    'update aftercommit.payments set refunded_minor = refunded_minor + 7 where payment_id = $1',
    [paymentId],
  );
  return `payment:${paymentId}`;
};

/** A payment that came after the end and was noted, and whose refund nobody asked for: late success. */
const lateSuccess = async (world: World): Promise<string> => {
  const orderId = await world.order('cancelled');
  const paymentId = await oldPayment(world, orderId, 'INTENDED');
  const amountMinor = await totalOf(world, orderId);
  const { authorizationId, captureId } = await captureAt(world.gateway, { paymentId, orderId, amountMinor });
  await sql(
    world,
    `update aftercommit.payments set state = 'CAPTURED', captured_minor = amount_minor, authorization_id = $2, capture_id = $3 where payment_id = $1`,
    [paymentId, authorizationId, captureId],
  );
  return `payment:${paymentId}`;
};

/** The gateway took the money of a payment that was given up here. */
const unrecorded = async (world: World): Promise<string> => {
  const orderId = await world.order('cancelled');
  const paymentId = await oldPayment(world, orderId, 'FAILED');
  await captureAt(world.gateway, { paymentId, orderId, amountMinor: await totalOf(world, orderId) });
  return `payment:${paymentId}`;
};

const orphan = async (world: World): Promise<string> => {
  const ids = { paymentId: randomUUID(), orderId: randomUUID() };
  const { captureId } = await captureAt(world.gateway, { ...ids, amountMinor: 1_234 });
  return `capture:${captureId}`;
};

const doubled = async (world: World): Promise<string> => {
  const orderId = await world.order('paid');
  const [paymentId, amountMinor] = [await paymentOf(world, orderId), await totalOf(world, orderId)];
  const { captureId } = await captureAt(world.gateway, { paymentId, orderId, amountMinor, key: 'twice' });
  return `capture:${captureId}`;
};

const leftover = async (world: World): Promise<string> => {
  const orderId = await world.order('cancelled');
  const paymentId = await oldPayment(world, orderId, 'FAILED');
  const amountMinor = await totalOf(world, orderId);
  return `authorization:${await authorizeAt(world.gateway, { paymentId, orderId, amountMinor })}`;
};

/** Booked here as given back; the gateway knows nothing of it. */
const missingRefund = async (world: World): Promise<string> => {
  const orderId = await world.order('paid');
  const refundId = randomUUID();
  const asked = { amountMinor: 5, reason: null, restock: false, actor: 'test', fingerprint: refundId };
  await requestRefund(world.pool, { ...asked, refundId, orderId });
  await settleRefund(world.pool, { refundId, gatewayRefundId: 're_none', at: new Date().toISOString() });
  await world.publish(orderId);
  return `refund:${refundId}`;
};

const withoutRun = async (world: World): Promise<string> => {
  const orderId = await world.order('waiting');
  await world.loseRun(orderId);
  return `order:${orderId}`;
};

const overdue = async (world: World): Promise<string> => {
  const orderId = await world.order('waiting');
  await world.loseRun(orderId);
  await sql(world, `update aftercommit.orders set deadline = ${LONG_AGO} where order_id = $1`, [orderId]);
  return `order:${orderId}`;
};

const epochConflict = async (world: World): Promise<string> => {
  const orderId = await world.order('waiting');
  await world.takeOver(orderId);
  return `order:${orderId}`;
};

const strayRun = async (world: World): Promise<string> => {
  const orderId = randomUUID();
  await world.strayRun(orderId);
  return `order:${orderId}`;
};

const shipmentBehind = async (world: World): Promise<string> => {
  const orderId = await world.order('under_way');
  await world.moveSilently(orderId, 'shipped');
  return shipmentSubject(world, orderId);
};

async function shipmentSubject(world: World, orderId: string): Promise<string> {
  const { rows } = await world.pool.query<{ shipment_id: string }>(
    'select shipment_id from aftercommit.shipments where order_id = $1',
    [orderId],
  );
  return `shipment:${rows[0]!.shipment_id}`;
}

const unownedReport = async (world: World): Promise<string> => {
  const sid = `SM${randomUUID().replaceAll('-', '')}`;
  await sql(
    world,
    `insert into aftercommit.provider_callbacks (message_sid, status, received_at) values ($1, 'delivered', ${LONG_AGO})`,
    [sid],
  );
  return `message:${sid}`;
};

const parkedTooLong = async (world: World): Promise<string> => {
  const parkedId = randomUUID();
  await sql(
    world,
    `insert into aftercommit.parked_steps (parked_id, step, reason, created_at) values ($1, $2, 'unknown_order', now() - interval '3 days')`,
    [parkedId, `report:${parkedId}`],
  );
  return `parked:${parkedId}`;
};

const refusedPoints = async (world: World): Promise<string> => {
  const orderId = await world.order('paid');
  await sql(
    world,
    `update aftercommit.points set state = 'REFUSED', error_code = 'unknown_customer', updated_at = ${LONG_AGO} where order_id = $1`,
    [orderId],
  );
  return `points:${orderId}`;
};

const stalledReplay = async (world: World): Promise<string> => {
  const replayId = randomUUID();
  await sql(
    world,
    `insert into aftercommit.replays (replay_id, actor, filter, rate_per_second, position, last_position, events_total, created_at, updated_at)
     values ($1, 'test', '{"types":["none.such"]}', 1, 0, 0, 0, ${LONG_AGO}, ${LONG_AGO})`,
    [replayId],
  );
  return `replay:${replayId}`;
};

const lostReceipt = async (world: World): Promise<string> => {
  const orderId = await world.order('confirmed');
  await sql(
    world,
    `delete from aftercommit.step_receipts where order_id = $1 and step = 'commit' and op = 'do'`,
    [orderId],
  );
  return `order:${orderId}`;
};

const lostOrder = async (world: World): Promise<string> => {
  const orderId = randomUUID();
  await sql(
    world,
    `insert into aftercommit.step_receipts (order_id, step, op, state, created_at, updated_at) values ($1, 'commit', 'do', 'done', ${LONG_AGO}, ${LONG_AGO})`,
    [orderId],
  );
  return `order:${orderId}`;
};

const overTriedStart = async (world: World): Promise<string> => {
  const workflowId = `planted-${randomUUID()}`;
  await sql(
    world,
    `insert into aftercommit.workflow_starts (workflow_id, workflow_type, task_queue, input, attempts, next_attempt_at, created_at)
     values ($1, 'none', 'nobody', '{}', 25, now() + interval '30 days', ${LONG_AGO})`,
    [workflowId],
  );
  return `workflow:${workflowId}`;
};

/** Ended behind the back of its run, which goes on waiting for a payment. */
const endedBehindItsRun = async (world: World): Promise<string> => {
  const orderId = await world.order('waiting');
  await cancelBehind(world, orderId);
  return `order:${orderId}`;
};

async function cancelBehind(world: World, orderId: string): Promise<void> {
  const ending = cancelledBecause('cancelled');
  const step = { orderId, epoch: 1, at: new Date().toISOString(), ending };
  await beginEnding(world.pool, step);
  await endOrder(world.pool, step);
  await world.publish(orderId);
}

/** Paid, and written down; the word of it was lost on the way to the order's run. */
const unsettled = async (world: World): Promise<string> => {
  const [orderId, paymentId] = [await world.order('waiting'), randomUUID()];
  const { payment } = await requestPayment(world.pool, {
    paymentId,
    orderId,
    method: 'tok_visa',
    fingerprint: paymentId,
  });
  await intendPayment(world.pool, { orderId, paymentId });
  const { amountMinor } = payment;
  const captured = await captureAt(world.gateway, { paymentId, orderId, amountMinor });
  await recordPayment(world.pool, payment, { state: 'CAPTURED', ...captured });
  return `order:${orderId}`;
};

/** Asked for, and its workflow never began. */
const pendingRefund = async (world: World): Promise<string> => {
  const [orderId, refundId] = [await world.order('paid'), randomUUID()];
  const asked = { amountMinor: 9, reason: null, restock: false, actor: 'test', fingerprint: refundId };
  await requestRefund(world.pool, { ...asked, refundId, orderId });
  return `refund:${refundId}`;
};

/** Cancelled here, and the carrier has it all the same. */
const notCancelled = async (world: World): Promise<string> => {
  const orderId = await world.order('under_way');
  await world.loseRun(orderId);
  await sql(world, `update aftercommit.shipments set state = 'CANCELLED' where order_id = $1`, [orderId]);
  await cancelBehind(world, orderId);
  return shipmentSubject(world, orderId);
};

const unmarked = async (world: World): Promise<string> => {
  const eventId = await eventOf(world, await world.order('confirmed'));
  await sql(world, 'update aftercommit.outbox set published_at = null where id = $1', [eventId]);
  return `event:${eventId}`;
};

/** A group of the flash lane that was closed, and whose workflow is gone. */
const unfinishedGroup = async (world: World): Promise<string> => {
  const groupId = randomUUID();
  await sql(
    world,
    `insert into aftercommit.groups (group_id, process, state, opened_at, closed_at) values ($1, 'planted', 'CLOSED', ${LONG_AGO}, ${LONG_AGO})`,
    [groupId],
  );
  return `group:${groupId}`;
};

/** A sale that runs for a week, as its row is. */
async function sale(world: World, row: { state: 'SCHEDULED' | 'OPEN'; sold: number }): Promise<string> {
  const saleId = `planted-${randomUUID()}`;
  await sql(
    world,
    `insert into aftercommit.sales (sale_id, sku, quantity, sold, state, created_at, closes_at)
     values ($1, $2, 10, $3, $4, ${LONG_AGO}, now() + interval '7 days')`,
    [saleId, await skuOf(world, await world.order('confirmed')), row.sold, row.state],
  );
  return saleId;
}

/** Written, and its workflow never began: it should be open by now. */
const unfinishedSale = async (world: World): Promise<string> =>
  `sale:${await sale(world, { state: 'SCHEDULED', sold: 0 })}`;

/** It says that it sold what no order has. */
const wrongSale = async (world: World): Promise<string> =>
  `sale:${await sale(world, { state: 'OPEN', sold: 1 })}:0:1:0`;

/** What can be planted anywhere. Ids that belong to one world only are planted there. */
export const DAMAGES: readonly Damage[] = [
  repaired('undecided_request', undecided),
  repaired('unrouted_event', unrouted),
  repaired('stale_delivery', staleDelivery),
  repaired('overdue_order', overdue),
  repaired('stalled_replay', stalledReplay),
  repaired('unfinished_group', unfinishedGroup),
  repaired('unfinished_sale', unfinishedSale),
  repaired('order_without_run', withoutRun),
  repaired('run_of_ended_order', endedBehindItsRun),
  repaired('unsettled_capture', unsettled),
  repaired('pending_refund', pendingRefund),
  repaired('epoch_conflict', epochConflict),
  repaired('missing_event', missingEvent),
  repaired('unmarked_event', unmarked),
  repaired('leaked_reservation', leak),
  repaired('refund_total_mismatch', wrongTotal),
  repaired('capture_to_return', lateSuccess),
  repaired('unrecorded_capture', unrecorded),
  repaired('leftover_authorization', leftover),
  repaired('shipment_behind', shipmentBehind),
  parked('event_gap', eventGap),
  parked('reservation_short', shortReservation),
  parked('sold_short', shortSold),
  parked('unknown_capture', orphan),
  parked('doubled_capture', doubled),
  parked('missing_refund', missingRefund),
  parked('run_without_order', strayRun),
  parked('sale_counters', wrongSale),
  parked('order_without_receipt', lostReceipt),
  parked('receipt_without_order', lostOrder),
  parked('shipment_not_cancelled', notCancelled),
  parked('unowned_report', unownedReport),
  parked('unowned_message', (world) => world.strayMessage().then((sid) => `message:${sid}`)),
  reported('parked_too_long', parkedTooLong),
  reported('refused_fulfilment', refusedPoints),
  reported('over_retried_start', overTriedStart),
];
