import { orderIdOf, paymentIdOf, shipmentIdOf, undoRefundIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { controlFake } from '../dev/fake-control';
import { Shop } from '../e2e/shop';
import { startStack, type Fake, type HttpAnswer, type NewOrder, type Stack } from '../e2e/stack';

/** An order. Everything follows from its key, so a trap can be set before it is placed. */
export interface Life {
  key: string;
  orderId: string;
  /** Of a `charge`. */
  paymentId: string;
  /** Gives the whole of that payment back. */
  refundId: string;
  shipmentId: string;
  /** A product of its own. */
  sku: string;
}

const STOCK = 5;
const QUANTITY = 2;
export const UNTOUCHED = { available: STOCK, reserved: 0, sold: 0 };
export const RESERVED = { available: STOCK - QUANTITY, reserved: QUANTITY, sold: 0 };
export const SOLD = { available: STOCK - QUANTITY, reserved: 0, sold: QUANTITY };
/** Orders of 20.00. */
export const TOTAL_MINOR = 2_000;

/** A worker is taken for dead after 10 s, twice, and what is unknown then is asked for with growing waits. */
export const RECOVERY_MS = 90_000;

/** A system of its own whose worker can be cut off from everybody, and the orders that were placed in it. */
export class LifeRig {
  readonly shop: Shop;
  readonly #placed: Promise<HttpAnswer>[] = [];
  /** How often each planned kill struck. */
  readonly struck: Record<string, number> = {};

  private constructor(
    readonly stack: Stack,
    private readonly namespace: string,
  ) {
    this.shop = new Shop(stack);
  }

  static async open(): Promise<LifeRig> {
    const stack = await startStack({ withLinks: true });
    const { namespace } = await readInstallation(stack.database.pool);
    return new LifeRig(stack, namespace);
  }

  /** Nothing is placed yet. */
  async know(key: string): Promise<Life> {
    const orderId = orderIdOf(this.namespace, 'local', key);
    const paymentId = paymentIdOf(orderId);
    const refundId = undoRefundIdOf(paymentId);
    const sku = await this.stack.stock(`SKU-${key}`, STOCK);
    return { key, orderId, paymentId, refundId, shipmentId: shipmentIdOf(orderId), sku };
  }

  /** Who asked for the order waits over the crash. */
  place({ key, sku }: Life, order: Partial<NewOrder> = {}): void {
    const unitPriceMinor = TOTAL_MINOR / QUANTITY;
    const answer = this.stack.placeOrder({
      key,
      sku,
      quantity: QUANTITY,
      unitPriceMinor,
      wait: 60,
      ...order,
    });
    // Looked at in the end; without this a failure of the test before would be reported as something else.
    answer.catch(() => undefined);
    this.#placed.push(answer);
  }

  control(fake: Fake, document: object): Promise<unknown> {
    return controlFake(this.stack.fakeUrls[fake], document);
  }

  async reset(): Promise<void> {
    for (const fake of ['twilio', 'payments', 'carrier', 'points', 'cart'] as const)
      await this.control(fake, { reset: true });
  }

  /** One row, or undefined. */
  async row<Row extends object>(text: string, ...values: unknown[]): Promise<Row | undefined> {
    return (await this.stack.database.pool.query<Row>(text, values)).rows[0];
  }

  async paymentState({ paymentId }: Life): Promise<string | undefined> {
    const row = await this.row<{ state: string }>(
      'select state from aftercommit.payments where payment_id = $1',
      paymentId,
    );
    return row?.state;
  }

  async refundState({ refundId }: Life): Promise<string | undefined> {
    const row = await this.row<{ state: string }>(
      'select state from aftercommit.refunds where refund_id = $1',
      refundId,
    );
    return row?.state;
  }

  /** The attempt that an activity of the order's run was in when it completed; undefined before that. */
  async attemptsOf({ orderId }: Life, activity: string): Promise<number | undefined> {
    const { events = [] } = await this.stack.temporal.workflow.getHandle(`order/${orderId}`).fetchHistory();
    const scheduled = (events ?? []).findLast(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity,
    );
    const started = (events ?? []).find(
      ({ activityTaskStartedEventAttributes: one }) =>
        one !== undefined && one !== null && String(one.scheduledEventId) === String(scheduled?.eventId),
    );
    return started?.activityTaskStartedEventAttributes?.attempt ?? undefined;
  }

  /** Every promise of the product, over all that was placed. */
  async violations(planned: number): Promise<unknown[]> {
    const answers = await Promise.all(this.#placed);
    return this.stack.violations({
      planned,
      attempted: answers.length,
      succeeded: answers.filter(({ status }) => status === 201).length,
      faults: this.struck,
    });
  }
}
