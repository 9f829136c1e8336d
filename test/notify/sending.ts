import { readInstallation } from '../../src/database/installation';
import { orderIdOf } from '../../src/database/ids';
import { placeOrders } from '../../src/database/orders';
import { createPhoneHash, type PhoneHash } from '../../src/database/phone-hash';
import { acceptRequest } from '../../src/database/requests';
import type { OrderRequest } from '../../src/domain/orders';
import { wakeUps } from '../../src/workflows/messages';
import { controlFake } from '../dev/fake-control';
import { PHONE_CANARY, type Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';
import type { PlannedFault } from './plan';

/** Without keys the API calls everybody so; these orders look as if they had come through it. */
export const CALLER = 'local';
/** Orders of one commit. */
const BATCH = 100;
/** Calls to Temporal at once. */
const LANES = 16;
/** Messages that may wait for their first call: enough to keep the worker busy, and no minutes of backlog. */
const BACKLOG_MAX = 300;
/** Two busy cores were measured to send eight a second. */
export const BACKLOG_DEADLINE_MS = 300_000;

/** Sends of one run, each an order of its own whose customer is told once, by SMS. */
export interface Sends {
  stack: Stack;
  sku: string;
  phoneHash: PhoneHash;
  /** By number of the send. */
  faults: ReadonlyMap<number, PlannedFault>;
  orderIds: readonly string[];
}

/** The key that the order of a send is asked for with. */
export function keyOf(send: number): string {
  return `send-${send}`;
}

/** @param run.secretsKey - of the stack, so that numbers have the hash that the product gives them */
export async function prepareSends(run: {
  stack: Stack;
  sends: number;
  faults: ReadonlyMap<number, PlannedFault>;
  secretsKey: Buffer;
}): Promise<Sends> {
  const { stack, sends, faults } = run;
  const sku = await stack.stock('SKU-TOLD', sends);
  const { namespace } = await readInstallation(stack.database.pool);
  const orderIds = Array.from({ length: sends }, (_, send) => orderIdOf(namespace, CALLER, keyOf(send)));
  return { stack, sku, faults, orderIds, phoneHash: createPhoneHash(run.secretsKey) };
}

/** Commits the orders of these sends and wakes their deliveries, as fast as the worker goes. */
export async function sendAll(sends: Sends, numbers: readonly number[]): Promise<void> {
  for (let at = 0; at < numbers.length; at += BATCH) {
    const batch = numbers.slice(at, at + BATCH);
    await planFaultsOf(sends, batch);
    await commit(sends, batch);
    await inLanes(batch, (send) => wakeDelivery(sends, sends.orderIds[send]!));
    await untilBacklogIsShort(sends.stack);
  }
}

async function planFaultsOf({ stack, faults, orderIds }: Sends, batch: readonly number[]): Promise<void> {
  const planned = batch.flatMap((send) => {
    const fault = faults.get(send);
    return fault === undefined
      ? []
      : [{ action: fault.action, match: { bodyIncludes: orderIds[send]! }, times: 1 }];
  });
  if (planned.length > 0) await controlFake(stack.fakeUrls.twilio, { faults: planned });
}

async function commit(sends: Sends, batch: readonly number[]): Promise<void> {
  const { pool } = sends.stack.database;
  const orders = batch.map((send) => {
    const request = requestOf(sends, send);
    return { orderId: sends.orderIds[send]!, caller: CALLER, request };
  });
  await Promise.all(
    orders.map(({ orderId, caller, request }) =>
      acceptRequest(pool, { orderId, caller, fingerprint: orderId, body: request }),
    ),
  );
  const places = { temporalUiUrl: null, namespace: 'default' };
  const at = new Date().toISOString();
  const placed = await placeOrders(pool, orders, { at, places, phoneHash: sends.phoneHash });
  const refused = placed.filter(({ state }) => state !== 'done');
  if (refused.length > 0) throw new Error(`not committed: ${JSON.stringify(refused)}`);
}

function requestOf({ sku }: Sends, send: number): OrderRequest {
  // One of them has the number that must be found nowhere.
  const phone = send === 0 ? PHONE_CANARY : `+1415${2_000_000 + send}`;
  return {
    customer: { id: `cus_${send}`, phone, channels: ['sms'], country: 'US' },
    lines: [{ sku, quantity: 1, unitPriceMinor: 1_000 }],
    currency: 'EUR',
    payment: { mode: 'none' },
  };
}

async function wakeDelivery({ stack }: Sends, orderId: string): Promise<void> {
  const { workflowType, options } = wakeUps.delivery(orderId);
  await stack.temporal.workflow.signalWithStart(workflowType, options);
}

async function untilBacklogIsShort({ database }: Stack): Promise<void> {
  await waitFor(
    'the worker has sent most of what there is',
    async () => {
      const { rows } = await database.pool.query<{ unsent: number }>(
        `select count(*)::int as unsent from aftercommit.notification_attempts where state = 'READY'`,
      );
      return rows[0]!.unsent <= BACKLOG_MAX;
    },
    { deadlineMs: BACKLOG_DEADLINE_MS },
  );
}

async function inLanes<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
