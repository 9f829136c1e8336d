import { readLog } from '../chaos/checker';
import { crashWorker, whenSent } from '../e2e/crash';
import { REFUSED_ADDRESS } from '../e2e/shop';
import { waitFor } from '../support/wait';
import { RECOVERY_MS, RESERVED, SOLD, UNTOUCHED, type Life, type LifeRig } from './life-rig';
import { beforeCommit, heldBack, unanswered, type Trap } from './life-traps';

/**
 * Where a worker is killed while an order is undone that was paid and that the carrier refused. Source of the points:
 * reliability, section 5. Stock and event of an ending are one transaction here: for C4, which has them apart, it dies
 * between that transaction's last statement and its COMMIT.
 */
export type UndoPoint = 'C1' | 'C2' | 'C3' | 'C4' | 'C5';

const refund = ({ refundId }: Life): readonly string[] => [`refund:${refundId}:1`];
const ending = ({ orderId }: Life): readonly string[] => ['step_receipts', orderId, 'transaction_closed'];
const stockBack = ({ orderId }: Life): readonly string[] => ['update aftercommit.inventory', orderId];
const claim = ({ orderId }: Life): readonly string[] => ['sends = sends + 1', orderId];
const isRefunded = ({ shop }: LifeRig, { orderId }: Life): boolean =>
  shop.did('payments', orderId).includes('refunded');

export interface UndoScenario {
  point: UndoPoint;
  what: string;
  /** Whose execution dies. */
  activity: string;
  trap: Trap;
  /** As the dead worker left it. */
  left: { refund: string; isRefunded: boolean; isEnded: boolean };
}

export const UNDO_SCENARIOS: readonly UndoScenario[] = [
  {
    point: 'C1',
    what: 'before the refund',
    activity: 'refundPayment',
    trap: heldBack('workerPayments', refund),
    left: { refund: 'PENDING', isRefunded: false, isEnded: false },
  },
  {
    point: 'C2',
    what: 'the refund sent and not answered',
    activity: 'refundPayment',
    trap: unanswered('workerPayments', refund, 'it is refunded', isRefunded),
    left: { refund: 'PENDING', isRefunded: true, isEnded: false },
  },
  {
    point: 'C3',
    what: 'the refund stored and the stock not released',
    activity: 'endOrder',
    trap: heldBack('workerDatabase', ending),
    left: { refund: 'DONE', isRefunded: true, isEnded: false },
  },
  {
    point: 'C4',
    what: 'stock and event written and not committed',
    activity: 'endOrder',
    trap: beforeCommit(stockBack),
    left: { refund: 'DONE', isRefunded: true, isEnded: false },
  },
  {
    point: 'C5',
    what: 'the end committed and the notice not sent',
    activity: 'deliverEvents',
    trap: heldBack('workerDatabase', claim),
    left: { refund: 'DONE', isRefunded: true, isEnded: true },
  },
];

/** The worker dies at the point while it undoes; with `kills` 2 the next one dies too, in the second execution. */
export async function killWhileUndoing(
  rig: LifeRig,
  life: Life,
  { scenario, kills }: { scenario: UndoScenario; kills: number },
): Promise<void> {
  const goOn = await untilBooked(rig, life);
  const reached = scenario.trap(rig, life);
  goOn();
  await reached();
  await crashWorker(rig.stack, () => expectLeft(rig, life, scenario));
  for (let done = 1; done < kills; done += 1) {
    const reachedAgain = scenario.trap(rig, life);
    await reachedAgain();
    await crashWorker(rig.stack, () => expectLeft(rig, life, scenario));
  }
  rig.struck[life.key] = kills;
}

/**
 * Places an order that is paid and told, and holds the worker before the carrier can refuse it.
 * @returns lets it go on
 */
async function untilBooked(rig: LifeRig, life: Life): Promise<() => void> {
  const { workerCarrier } = rig.stack.links;
  const asked = whenSent(workerCarrier, [life.shipmentId], () => workerCarrier.freeze('up'));
  rig.place(life, { method: 'tok_visa', shipping: REFUSED_ADDRESS, cartId: `cart-${life.key}` });
  await asked();
  await waitFor('all but the shipment is done, and the customer told', () => {
    const { shop } = rig;
    const { orderId } = life;
    const isDone = shop.did('points', orderId).length + shop.did('cart', orderId).length === 2;
    return isDone && shop.texts(orderId).length === 1;
  });
  return () => workerCarrier.thaw('up');
}

async function expectLeft(rig: LifeRig, life: Life, { left }: UndoScenario): Promise<void> {
  const { shop, stack } = rig;
  const { orderId, sku } = life;
  expect(await rig.refundState(life)).toBe(left.refund);
  expect(isRefunded(rig, life)).toBe(left.isRefunded);
  expect(await stack.orderStatus(orderId)).toBe(left.isEnded ? 'CANCELLED' : 'COMPENSATING');
  // Stock and event, or neither.
  expect(await shop.stockOf(sku)).toEqual(left.isEnded ? UNTOUCHED : SOLD);
  expect((await shop.events(orderId)).includes('cancelled')).toBe(left.isEnded);
  expect(shop.texts(orderId)).toEqual(['Order # confirmed.']);
}

/** Undone once, whole, last step first. @returns in which execution the activity came to its end */
export async function expectUndone(rig: LifeRig, life: Life, activity: string): Promise<number | undefined> {
  const { shop } = rig;
  const { orderId, sku } = life;
  await shop.becomes(orderId, { status: 'CANCELLED', payment: { status: 'REFUNDED' } }, RECOVERY_MS);
  await waitFor('the customer is told', () => shop.texts(orderId).length === 3, { deadlineMs: RECOVERY_MS });
  expect(shop.texts(orderId).sort()).toEqual([
    'Order # cancelled.',
    'Order # confirmed.',
    'Order #: EUR 20.00 refunded.',
  ]);
  expect(shop.did('payments', orderId)).toEqual(['authorized', 'captured', 'refunded']);
  expect(shop.did('points', orderId)).toEqual(['awarded', 'reversed']);
  expect(shop.did('cart', orderId)).toEqual(['cleared', 'restored']);
  expect(await shop.stockOf(sku)).toEqual(UNTOUCHED);
  expect(await shop.events(orderId)).toEqual(['placed', 'confirmed', 'refunded', 'cancelled']);
  return waitFor('the run is over', () => rig.attemptsOf(life, activity), { deadlineMs: RECOVERY_MS });
}

/** So late that the second worker still meets the call that the first one made. */
const LATE_MS = { 1: 6_000, 2: 18_000 } as const;

/**
 * C6: the order is cancelled while its authorization hangs at the gateway; the worker dies as it asks again, to learn what
 * it has to take back.
 */
export async function killWhileForwardHangs(rig: LifeRig, life: Life, kills: 1 | 2): Promise<void> {
  const { shop, stack } = rig;
  const { orderId, paymentId } = life;
  const hangs = { operation: 'authorize', action: 'late', delayMs: LATE_MS[kills], match: { orderId } };
  await rig.control('payments', { webhooks: { lose: true }, faults: [hangs] });
  rig.place(life, { method: 'tok_visa' });
  await waitFor('the call hangs', () => faultsIn(rig) > (rig.struck['hanging'] ?? 0));
  rig.struck['hanging'] = faultsIn(rig);

  for (let done = 0; done < kills; done += 1) {
    const reached = asksAgain(rig, life);
    if (done === 0) void shop.cancel(orderId).catch(() => undefined);
    await reached();
    await crashWorker(stack, async () => {
      expect(shop.did('payments', orderId)).toEqual([]);
      expect(await rig.control('payments', {})).toMatchObject({ late: 1 });
      const row = await rig.row(
        'select 1 from aftercommit.payments where payment_id = $1 and undone_at is not null',
        paymentId,
      );
      expect(row).toBeDefined();
      expect(await shop.stockOf(life.sku)).toEqual(RESERVED);
    });
  }
  rig.struck[life.key] = kills;
}

function faultsIn({ stack }: LifeRig): number {
  return readLog(stack.logFiles.payments).filter((entry) => entry.type === 'fault').length;
}

/** The worker has fenced the payment; what it asks the gateway after that is held. */
function asksAgain({ stack }: LifeRig, { paymentId }: Life): () => Promise<unknown> {
  const { workerDatabase, workerPayments } = stack.links;
  let isHeld = false;
  const fenced = whenSent(workerDatabase, ['set undone_at = now()', paymentId], () => {
    workerPayments.onBytes = (direction, bytes) => {
      if (direction !== 'up' || !bytes.includes(`pay:${paymentId}:1:authorize`)) return;
      isHeld = true;
      workerPayments.freeze('up');
    };
  });
  return async () => {
    await fenced();
    await waitFor('the gateway is asked again', () => isHeld, { deadlineMs: RECOVERY_MS });
  };
}

/** Nothing was taken, and what was authorized late was given back. */
export async function expectNothingTaken(rig: LifeRig, life: Life): Promise<number | undefined> {
  const { shop } = rig;
  await shop.becomes(life.orderId, { status: 'CANCELLED' }, RECOVERY_MS);
  expect(shop.did('payments', life.orderId)).toEqual(['authorized', 'voided']);
  expect(await shop.stockOf(life.sku)).toEqual(UNTOUCHED);
  expect(await shop.events(life.orderId)).toEqual(['placed', 'cancelled']);
  await shop.told(life.orderId, ['Order # cancelled.']);
  return rig.attemptsOf(life, 'undoPayment');
}
