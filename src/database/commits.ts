import type { Pool } from 'pg';
import { ORDER_SOURCE, type OrderEventType } from '../domain/events';
import {
  committedView,
  deadlineOf,
  orderDetail,
  statesAfterCommit,
  totalMinor,
  type OrderRequest,
  type Places,
} from '../domain/orders';
import { GroupClosedError, RulesChangedError } from '../errors';
import { asStored, envelopeOf, notificationOf, type OutboxRow } from './events';
import {
  firstClaimsOf,
  senderRow,
  type ClaimedMessage,
  type FirstClaims,
  type FirstSender,
} from './first-claims';
import { deliveryIdOf, eventIdOf, paymentIdOf, shipmentIdOf } from './ids';
import type { PhoneHash } from './phone-hash';
import type { StoredAnswer } from './requests';
import type { FrozenRoute, RouteEvent } from './routing';
import { prepared } from './transaction';

/** An order that is to be committed. */
export interface AskedOrder {
  orderId: string;
  caller: string;
  request: OrderRequest;
  /** The workflow that looks after it. */
  workflowId: string;
  /** Of the request, where the commit writes its row too; null where that was done before. */
  fingerprint: string | null;
  saleId: string | null;
}

/** What the receipt of an order's commit holds. */
export interface CommitOutcome {
  orderId: string;
  /** Null when the key belongs to another request, which is not decided yet. */
  state: 'done' | 'refused' | 'fenced' | null;
  outcome: { code?: string; line?: number };
  /** False for a repeat. */
  decidedNow: boolean;
  /** Of the request that has the key. */
  fingerprint: string | null;
  /** RFC 3339. */
  createdAt: string;
  /** Null for a refused order that nobody was answered for yet. */
  answer: StoredAnswer | null;
  /** What the sender is to send now; null for what this call did not commit. */
  claims: FirstClaims | null;
}

export interface CommitContext {
  /** Of the flash lane; null in the standard lane. */
  groupId: string | null;
  /** RFC 3339. */
  at: string;
  places: Places;
  phoneHash: PhoneHash;
  /** Freezes the deliveries with the commit, by these rules; null: they are routed later. */
  rules: { version: number; route: RouteEvent } | null;
  /** Sends the deliveries that are frozen, and the messages, at once; null: whoever claims them. */
  sender: FirstSender | null;
}

/** Raised by `aftercommit.commit_orders`. */
const GROUP_CLOSED = 'AC001';
const RULES_CHANGED = 'AC002';

/**
 * Commits orders in one transaction and one round trip: receipt, order, lines, guarded stock, event, deliveries, message.
 * Each has an outcome of its own. Idempotent by order id: a repeat changes nothing and gets what was stored.
 * @throws GroupClosedError (retryable, in another group), RulesChangedError (retryable, by the new rules): nothing was committed
 */
export async function commitOrders(
  pool: Pool,
  orders: readonly AskedOrder[],
  context: CommitContext,
): Promise<CommitOutcome[]> {
  const routes = new RouteList();
  const prepares = orders.map((order) => prepareOrder(order, context, routes));
  const rows = prepares.map(({ row }) => row);
  const { groupId, rules, sender, at } = context;
  const outcomes = await prepared<OutcomeRow>(
    pool,
    'select * from aftercommit.commit_orders($1, $2, $3, $4, $5, $6)',
    [
      groupId,
      JSON.stringify(rows),
      routes.asJson(),
      rules?.version ?? null,
      sender === null ? null : JSON.stringify(senderRow(sender)),
      at,
    ],
  ).catch((error: unknown) => {
    const { code } = error as { code?: unknown };
    if (code === GROUP_CLOSED)
      throw new GroupClosedError('The group is closed: its orders are committed in another one.');
    if (code === RULES_CHANGED) throw new RulesChangedError('The rules have changed: read them again.');
    throw error;
  });
  const asked = new Map(prepares.map((order) => [order.row.order_id, order]));
  return outcomes.map((row) => outcomeOf(row, asked.get(row.order_id)!));
}

interface OutcomeRow {
  order_id: string;
  state: CommitOutcome['state'];
  outcome: { code?: string; line?: number };
  decided_now: boolean;
  fingerprint: string | null;
  created_at: string;
  answer_status: number | null;
  answer_body: string | null;
  claimed_routes: number[];
  message: ClaimedMessage | null;
}

function outcomeOf(row: OutcomeRow, prepare: PreparedOrder): CommitOutcome {
  const own = prepare.row;
  const isOwn = row.decided_now && row.state === 'done';
  const status = isOwn ? COMMITTED : row.answer_status;
  const body = isOwn ? own.answer_body : row.answer_body;
  return {
    orderId: row.order_id,
    state: row.state,
    outcome: row.outcome,
    decidedNow: row.decided_now,
    fingerprint: row.decided_now ? own.fingerprint : row.fingerprint,
    createdAt: row.created_at,
    answer: status === null || body === null ? null : { status, body },
    claims: isOwn ? claimsOf(row, prepare) : null,
  };
}

function claimsOf(
  { claimed_routes: claimed, message }: OutcomeRow,
  { order, event, row, deliveries }: PreparedOrder,
): FirstClaims {
  return firstClaimsOf({
    event,
    deliveries: deliveries.filter(({ route }) => claimed.includes(route)),
    request: order.request,
    notification: row.notification,
    message,
  });
}

/** Source: the HTTP contract. */
const COMMITTED = 201;

/** The distinct routes of a group's events: a transformer is sent to the database once, however many events it is for. */
class RouteList {
  readonly #routes: object[] = [];
  readonly #indexes = new Map<string, number>();

  indexOf({ ruleName, targetName, transformer }: FrozenRoute): number {
    const key = `${ruleName}\n${targetName}`;
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.#indexes.set(key, this.#routes.length);
    return this.#routes.push({ rule_name: ruleName, target_name: targetName, transformer }) - 1;
  }

  asJson(): string {
    return JSON.stringify(this.#routes);
  }
}

/** An order with what its commit is going to write. */
interface PreparedOrder {
  order: AskedOrder;
  event: OutboxRow;
  deliveries: FirstDelivery[];
  row: ReturnType<typeof rowOf>;
}

/** A delivery of the order's first event. */
interface FirstDelivery {
  id: string;
  /** By its index in what the commit is given. */
  route: number;
  to: FrozenRoute;
}

function prepareOrder(order: AskedOrder, context: CommitContext, routes: RouteList): PreparedOrder {
  const event = eventOf(order, context.at);
  const deliveries = context.rules === null ? [] : deliveriesOf(event, context.rules.route, routes);
  return { order, event, deliveries, row: rowOf(order, context, { event, deliveries }) };
}

/** One element of `commit_orders`' argument. */
function rowOf(
  order: AskedOrder,
  context: CommitContext,
  { event, deliveries }: Pick<PreparedOrder, 'event' | 'deliveries'>,
) {
  const { orderId, request, caller, workflowId, fingerprint, saleId } = order;
  const { at, places, phoneHash, rules } = context;
  const after = statesAfterCommit(request.payment.mode);
  const customerId = request.customer.id;
  return {
    order_id: orderId,
    caller,
    fingerprint,
    customer_id: customerId,
    phone: request.customer.phone,
    phone_hash: phoneHash(request.customer.phone),
    country: request.customer.country ?? null,
    channels: request.customer.channels,
    shipping: request.shipping ?? null,
    cart_id: request.cartId ?? null,
    workflow_id: workflowId,
    sale_id: saleId,
    status: after.status,
    payment_mode: request.payment.mode,
    payment_status: after.paymentStatus,
    deadline: request.payment.mode === 'wait' ? deadlineOf(at, request.payment.deadlineSeconds) : null,
    total_minor: totalMinor(request.lines),
    currency: request.currency,
    take: after.take,
    lines: request.lines.map((line, index) => ({
      line_number: index,
      sku: line.sku,
      quantity: line.quantity,
      unit_price_minor: line.unitPriceMinor,
    })),
    event: { id: event.id, source: event.source, type: event.type, payload: event.payload },
    deliveries: rules === null ? null : deliveries.map(({ id, route }) => ({ id, route })),
    notification: notificationOf({ type: after.event, eventId: event.id, customerId }),
    payment:
      request.payment.mode === 'charge'
        ? { payment_id: paymentIdOf(orderId), method: request.payment.method ?? '' }
        : null,
    shipment_id: shipmentIdOf(orderId),
    answer_status: COMMITTED,
    answer_body: JSON.stringify(committedView({ orderId, request, at, places, workflowId })),
  };
}

/** The event that the commit writes, as its row will be. */
function eventOf({ orderId, request }: AskedOrder, at: string): OutboxRow & { type: OrderEventType } {
  const type = statesAfterCommit(request.payment.mode).event;
  const detail = orderDetail({
    orderId,
    customerId: request.customer.id,
    lines: request.lines,
    currency: request.currency,
    paymentMode: request.payment.mode,
  });
  return {
    id: eventIdOf(orderId, type, 1),
    aggregate_type: 'order',
    aggregate_id: orderId,
    subject: null,
    seq: 1,
    source: ORDER_SOURCE,
    type,
    payload: asStored({ ...detail, seq: 1 }) as OutboxRow['payload'],
    created_at: at,
  };
}

function deliveriesOf(event: OutboxRow, route: RouteEvent, routes: RouteList): FirstDelivery[] {
  return route(envelopeOf(event)).map((to) => ({
    id: deliveryIdOf(event.id, to, null),
    route: routes.indexOf(to),
    to,
  }));
}
