import { readLog } from '../chaos/checker';
import { crashWorker } from '../e2e/crash';
import { waitFor } from '../support/wait';
import { RECOVERY_MS, RESERVED, SOLD, type Life, type LifeRig } from './life-rig';
import { heldBack, unanswered, unreported, type Trap } from './life-traps';

/**
 * Where a worker is killed while an order is paid. Source of the points: reliability, section 5. Here a payment has two
 * calls: P3 is the request of the authorization, P4 the answer of the capture.
 */
export type PayPoint = 'P1' | 'P2' | 'P3' | 'P4' | 'P5';

const authorize = ({ paymentId }: Life): readonly string[] => [`pay:${paymentId}:1:authorize`];
const capture = ({ paymentId }: Life): readonly string[] => [`pay:${paymentId}:1:capture`];
const intent = ({ paymentId }: Life): readonly string[] => ['step_receipts', `pay:${paymentId}`];
const outcome = ({ paymentId }: Life): readonly string[] => [
  'update aftercommit.payments',
  'CAPTURED',
  paymentId,
];

const has =
  (type: string) =>
  ({ shop }: LifeRig, { orderId }: Life): boolean =>
    shop.did('payments', orderId).includes(type);
const isCaptured = async (rig: LifeRig, life: Life): Promise<boolean> =>
  (await rig.paymentState(life)) === 'CAPTURED';

export interface PayScenario {
  point: PayPoint;
  what: string;
  trap: Trap;
  /** For the kill of the second execution, where it does not come to the same point again. */
  again?: Trap;
  /** As the dead worker left it: the stored payment, whether its intent is, and what the gateway did. */
  left: { state: string; isIntended: boolean; did: readonly string[] };
}

export const PAY_SCENARIOS: readonly PayScenario[] = [
  {
    point: 'P1',
    what: 'before its intent',
    trap: heldBack('workerDatabase', intent),
    left: { state: 'INTENDED', isIntended: false, did: [] },
  },
  {
    point: 'P2',
    what: 'its intent committed and the gateway not called',
    trap: heldBack('workerPayments', authorize),
    left: { state: 'INTENDED', isIntended: true, did: [] },
  },
  {
    point: 'P3',
    what: 'the request written and not answered',
    trap: unanswered('workerPayments', authorize, 'it is authorized', has('authorized')),
    left: { state: 'INTENDED', isIntended: true, did: ['authorized'] },
  },
  {
    point: 'P4',
    what: 'captured and the answer not read',
    trap: unanswered('workerPayments', capture, 'it is captured', has('captured')),
    left: { state: 'AUTHORIZED', isIntended: true, did: ['authorized', 'captured'] },
  },
  {
    point: 'P5',
    what: 'the outcome stored and not reported',
    trap: unreported(outcome, 'it is stored', isCaptured),
    // It finds the outcome and has nothing to store.
    again: unreported(intent, 'it is stored', isCaptured),
    left: { state: 'CAPTURED', isIntended: true, did: ['authorized', 'captured'] },
  },
];

/** The worker dies at the point while it charges; with `kills` 2 the next one dies too, in the second execution. */
export async function killWhilePaying(
  rig: LifeRig,
  life: Life,
  { scenario, kills }: { scenario: PayScenario; kills: number },
): Promise<void> {
  const reached = scenario.trap(rig, life);
  rig.place(life, { method: 'tok_visa' });
  await reached();
  await crashWorker(rig.stack, () => expectLeft(rig, life, scenario));
  for (let done = 1; done < kills; done += 1) {
    const reachedAgain = (scenario.again ?? scenario.trap)(rig, life);
    await reachedAgain();
    await crashWorker(rig.stack, () => expectLeft(rig, life, scenario));
  }
  rig.struck[life.key] = kills;
}

async function expectLeft(rig: LifeRig, life: Life, { left }: PayScenario): Promise<void> {
  const { orderId, paymentId } = life;
  const receipt = await rig.row<{ state: string }>(
    'select state from aftercommit.step_receipts where order_id = $1 and step = $2',
    orderId,
    `pay:${paymentId}`,
  );
  expect(receipt !== undefined).toBe(left.isIntended);
  expect(await rig.paymentState(life)).toBe(left.state);
  expect(rig.shop.did('payments', orderId)).toEqual(left.did);
  if (left.did.length === 0) expect(requestsAbout(rig, life)).toBe(0);
  // Nobody has drawn a conclusion yet.
  expect(await rig.stack.orderStatus(orderId)).toBe('PENDING_PAYMENT');
  expect(await rig.shop.stockOf(life.sku)).toEqual(RESERVED);
  expect(await rig.shop.events(orderId)).toEqual(['placed']);
}

function requestsAbout(rig: LifeRig, { paymentId }: Life): number {
  return readLog(rig.stack.logFiles.payments).filter(
    (entry) => entry.type === 'request' && JSON.stringify(entry).includes(paymentId),
  ).length;
}

/** Paid once, whole, and nothing else happened. @returns in which execution the charge came to its end */
export async function expectPaid(rig: LifeRig, life: Life): Promise<number | undefined> {
  const { orderId, sku } = life;
  await rig.shop.becomes(orderId, { status: 'CONFIRMED', payment: { status: 'PAID' } }, RECOVERY_MS);
  expect(rig.shop.did('payments', orderId)).toEqual(['authorized', 'captured']);
  expect(await rig.shop.stockOf(sku)).toEqual(SOLD);
  expect(await rig.shop.events(orderId)).toEqual(['placed', 'confirmed']);
  await rig.shop.told(orderId, ['Order # confirmed.']);
  return rig.attemptsOf(life, 'chargePayment');
}

/**
 * P6: an order waits for its customer to confirm a payment when the worker dies; with `kills` 2 it dies once more, while
 * it looks at what the customer did. The customer acts while there is no worker.
 */
export async function killWhileWaiting(
  rig: LifeRig,
  life: Life,
  { kills }: { kills: number },
): Promise<string> {
  const { shop, stack } = rig;
  rig.place(life, { deadlineSeconds: 300 });
  await waitFor('it waits', async () => (await stack.orderStatus(life.orderId)) === 'PENDING_PAYMENT');
  const asked = await shop.pay(life.orderId, { key: 'pay', method: 'tok_requires_action', wait: 30 });
  expect(asked.status).toBe(202);
  const paymentId = shop.paymentIdOf(life.orderId, 'pay');

  await crashWorker(stack, async () => {
    expect(await rig.paymentState({ ...life, paymentId })).toBe('REQUIRES_ACTION');
    await shop.act(life.orderId, 'approve');
    if (kills === 1) return;
    // Its webhook is taken without a worker; the look of the next one is where it dies.
    await waitFor('the webhook is stored', async () => {
      return (await rig.paymentState({ ...life, paymentId })) === 'AUTHORIZED';
    });
  });
  for (let done = 1; done < kills; done += 1) {
    const reached = unanswered(
      'workerPayments',
      capture,
      'it is captured',
      has('captured'),
    )(rig, {
      ...life,
      paymentId,
    });
    await reached();
    await crashWorker(stack, async () => {
      expect(shop.did('payments', life.orderId)).toContain('captured');
      expect(await stack.orderStatus(life.orderId)).toBe('PENDING_PAYMENT');
    });
  }
  rig.struck[life.key] = kills;
  return paymentId;
}
