import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import type { Activities } from '../../src/activities';
import { NOTHING_TO_FULFIL } from '../../src/domain/fulfilment';
import type { OrderProgress } from '../../src/domain/orders';
import { WORKFLOW_TYPES } from '../../src/workflows/messages';

/** One path through a workflow: what the activities answer, what happens meanwhile, what must come of it. */
export interface Scenario {
  /** The name of its stored history. */
  name: string;
  workflowType: string;
  input: unknown[];
  /** Answers of activities; one that is not named here and is asked all the same fails the test. */
  activities: Partial<Activities>;
  /** Runs beside the workflow once the named activity was asked for the first time. */
  meanwhile?: { when: keyof Activities; act: (handle: WorkflowHandle) => Promise<void> };
  /** The activities in the order in which they are asked for. */
  asks: (keyof Activities)[];
  result: unknown;
}

export const ORDER_ID = '11111111-1111-5111-8111-111111111111';
export const PAYMENT_ID = '22222222-2222-5222-8222-222222222222';
export const REFUND_ID = '33333333-3333-5333-8333-333333333333';
export const NOTIFICATION_ID = '44444444-4444-5444-8444-444444444444';
export const REPLAY_ID = '55555555-5555-4555-8555-555555555555';

export const confirmed: OrderProgress = {
  decision: 'committed',
  code: null,
  status: 'CONFIRMED',
  paymentStatus: 'NONE',
  paymentMode: 'none',
  paymentId: null,
  paymentIsLive: false,
  deadline: null,
  fulfilment: NOTHING_TO_FULFIL,
  epoch: 1,
  ending: null,
};
export const placed: OrderProgress = {
  ...confirmed,
  status: 'PENDING_PAYMENT',
  paymentStatus: 'PENDING',
  paymentMode: 'charge',
  paymentId: PAYMENT_ID,
  paymentIsLive: true,
};
export const rejected: OrderProgress = {
  ...confirmed,
  decision: 'rejected',
  code: 'out_of_stock',
  status: 'REJECTED',
};
export const closed: OrderProgress = { ...rejected, decision: 'closed', code: 'transaction_closed' };
export const cancelled = { event: 'order.cancelled', status: 'CANCELLED', code: 'cancelled' } as const;

export const done = (): Promise<{ waitMs: null }> => Promise.resolve({ waitMs: null });
export const nothing = (): Promise<void> => Promise.resolve();

/** @param paymentId - the payment that counts by then */
export const begun =
  (paymentId: string | null = null): Activities['beginEnding'] =>
  () =>
    Promise.resolve({ outcome: 'begun', paymentId });

/** Answers with one value after the other, and the last one from then on. */
export function inTurn<T>(...values: T[]): () => Promise<T> {
  let next = 0;
  return () => Promise.resolve(values[Math.min(next++, values.length - 1)]!);
}

/** What one side waits for until the other side opens it. Time stands still while an activity waits. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

const waiting = new Set<() => void>();

/** Ends what still runs of a scenario that is over: the server skips no time while an activity runs. */
export function endWaiting(): void {
  for (const end of waiting) end();
  waiting.clear();
}

/** Somebody who never answers. Ends when nobody waits for it any more. */
export function neverAnswers(): Promise<never> {
  return new Promise((_resolve, reject) => {
    waiting.add(() => reject(new Error('the scenario is over')));
  });
}

export const unreachable = (): Promise<never> =>
  Promise.reject(ApplicationFailure.retryable('the gateway does not answer', 'gateway_unavailable'));

export const order = { workflowType: WORKFLOW_TYPES.order, input: [{ orderId: ORDER_ID }] };
