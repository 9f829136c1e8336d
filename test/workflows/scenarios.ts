import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import type { Activities } from '../../src/activities';
import { NOTHING_TO_FULFIL } from '../../src/domain/fulfilment';
import {
  attemptChanged,
  cancelOrder,
  eventsWritten,
  parkedStepResolved,
  replayChanged,
  WORKFLOW_TYPES,
} from '../../src/workflows/messages';
import { groups } from './group-scenarios';
import { orderRaces } from './order-races';
import { reconciliations } from './reconciliation-scenarios';
import { givenUp, ordersInFull } from './order-scenarios';
import { sales } from './sale-scenarios';
import {
  begun,
  cancelled,
  closed,
  confirmed,
  done,
  inTurn,
  neverAnswers,
  nothing,
  NOTIFICATION_ID,
  order,
  ORDER_ID,
  PAYMENT_ID,
  placed,
  REFUND_ID,
  rejected,
  REPLAY_ID,
  unreachable,
  type Scenario,
} from './scenario';

type ReplayStep = Awaited<ReturnType<Activities['sendReplay']>>;
const TESTED = { outcome: 'delivered', status: 200, latencyMs: 3, code: null, message: null } as const;

const refund = { workflowType: WORKFLOW_TYPES.refund, input: [{ refundId: REFUND_ID, orderId: ORDER_ID }] };

type NotificationStep = Awaited<ReturnType<Activities['continueNotification']>>;
const step = (kind: NotificationStep['kind'], waitMs: number): NotificationStep => ({ kind, waitMs });
const endedAs = (status: string, reason: string | null = null): NotificationStep => ({
  kind: 'done',
  waitMs: 0,
  result: { status, reason },
});

/** Every way that a notification's own workflow can take: what its activity says is next, one after the other. */
function notifications(): Scenario[] {
  const paths: Record<string, { steps: NotificationStep[]; isWoken?: boolean }> = {
    'looked-up': { steps: [step('look_up', 30_000), step('done', 0)] },
    'looked-up-then-asked': { steps: [step('look_up', 30_000), step('ask', 600_000), endedAs('DELIVERED')] },
    resent: {
      steps: [
        step('declare_ambiguous', 15_000),
        step('look_up', 30_000),
        step('look_up', 60_000),
        step('resend', 100),
        step('send', 100),
        step('look_again', 600_000),
        step('ask', 100),
        endedAs('DELIVERED'),
      ],
    },
    held: {
      steps: [step('look_up', 30_000), step('look_up', 60_000), step('hold', 100), endedAs('PENDING')],
    },
    'fallen-back-and-reported': {
      steps: [step('send', 100), step('ask', 600_000), endedAs('DELIVERED')],
      isWoken: true,
    },
    'silent-until-unreached': {
      steps: [step('ask', 300_000), step('send', 100), step('ask', 600_000), endedAs('UNREACHED', 'silence')],
    },
    'suppressed-after-quiet-hours': {
      steps: [step('send', 8 * 3_600_000), endedAs('SUPPRESSED', 'opted_out')],
    },
    expired: { steps: [step('send', 5_000), step('expire', 86_400_000), endedAs('EXPIRED', 'expired')] },
    'cancelled-while-looked-up': {
      steps: [step('look_up', 30_000), step('abandon', 100), endedAs('SUPPRESSED', 'cancelled')],
      isWoken: true,
    },
  };
  return Object.entries(paths).map(([name, { steps, isWoken }]) => ({
    name: `notification-${name}`,
    workflowType: WORKFLOW_TYPES.notification,
    input: [{ notificationId: NOTIFICATION_ID }],
    activities: { continueNotification: inTurn(...steps) },
    ...(isWoken === true
      ? {
          meanwhile: {
            when: 'continueNotification',
            act: (handle: WorkflowHandle) => handle.signal(attemptChanged),
          } as const,
        }
      : {}),
    asks: steps.map(() => 'continueNotification' as const),
    result: steps.at(-1)!.result,
  }));
}

export const scenarios: Scenario[] = [
  {
    ...order,
    name: 'order-confirmed',
    activities: { commitOrder: () => Promise.resolve(confirmed), deliverEvents: done },
    asks: ['commitOrder', 'deliverEvents'],
    result: { status: 'CONFIRMED' },
  },
  {
    ...order,
    name: 'order-out-of-stock',
    activities: { commitOrder: () => Promise.resolve(rejected) },
    asks: ['commitOrder'],
    result: { decision: 'rejected', code: 'out_of_stock' },
  },
  {
    ...order,
    name: 'order-commit-never-decided',
    activities: {
      commitOrder: () => Promise.reject(ApplicationFailure.retryable('no database', 'database_unavailable')),
      closeTransaction: () => Promise.resolve(closed),
    },
    // Within the workflow's task first, then as an activity.
    asks: ['commitOrder', 'commitOrder', 'closeTransaction'],
    result: { decision: 'closed', code: 'transaction_closed' },
  },
  {
    ...order,
    name: 'order-paid-while-nothing-can-be-delivered',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      deliverEvents: () => Promise.reject(ApplicationFailure.nonRetryable('unreadable', 'invalid_config')),
      chargePayment: () => Promise.resolve({ kind: 'captured' }),
      settleOrder: () => Promise.resolve({ settled: true, fulfilment: NOTHING_TO_FULFIL }),
    },
    asks: ['commitOrder', 'deliverEvents', 'chargePayment', 'settleOrder', 'deliverEvents'],
    result: { status: 'CONFIRMED', paymentStatus: 'PAID' },
  },
  {
    ...order,
    name: 'order-paid',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      deliverEvents: done,
      chargePayment: () => Promise.resolve({ kind: 'captured' }),
      settleOrder: () => Promise.resolve({ settled: true, fulfilment: NOTHING_TO_FULFIL }),
    },
    asks: ['commitOrder', 'deliverEvents', 'chargePayment', 'settleOrder', 'deliverEvents'],
    result: { status: 'CONFIRMED', paymentStatus: 'PAID' },
  },
  {
    ...order,
    name: 'order-declined',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      readProgress: () => Promise.resolve({ ...placed, status: 'FAILED', paymentStatus: 'FAILED' }),
      deliverEvents: done,
      chargePayment: () => Promise.resolve({ kind: 'declined', code: 'card_declined' }),
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: null }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'beginEnding',
      'undoPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'FAILED' },
  },
  {
    ...order,
    name: 'order-payment-unknown',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      readProgress: () => Promise.resolve({ ...placed, status: 'FAILED', paymentStatus: 'FAILED' }),
      deliverEvents: done,
      chargePayment: unreachable,
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: null }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'beginEnding',
      'undoPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'FAILED' },
  },
  {
    ...order,
    name: 'order-cancelled-after-capture',
    activities: {
      commitOrder: () => Promise.resolve({ ...placed, status: 'COMPENSATING', ending: cancelled }),
      readProgress: () => Promise.resolve({ ...placed, status: 'CANCELLED', ending: cancelled }),
      deliverEvents: done,
      undoPayment: () => Promise.resolve({ refundId: REFUND_ID }),
      refundPayment: () => Promise.resolve({ kind: 'refunded' }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'undoPayment',
      'refundPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
  {
    ...order,
    name: 'order-settled-too-late',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      readProgress: () => Promise.resolve({ ...placed, status: 'CANCELLED', ending: cancelled }),
      deliverEvents: done,
      chargePayment: () => Promise.resolve({ kind: 'captured' }),
      settleOrder: () => Promise.resolve({ settled: false, code: 'order_closed' }),
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: REFUND_ID }),
      refundPayment: () => Promise.resolve({ kind: 'refunded' }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'settleOrder',
      'beginEnding',
      'undoPayment',
      'refundPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
  {
    ...order,
    name: 'order-undo-parked-then-skipped',
    activities: {
      commitOrder: () => Promise.resolve({ ...placed, status: 'COMPENSATING', ending: cancelled }),
      readProgress: () => Promise.resolve({ ...placed, status: 'CANCELLED', ending: cancelled }),
      deliverEvents: done,
      undoPayment: () =>
        Promise.reject(ApplicationFailure.nonRetryable('another amount came back', 'gateway_mismatch')),
      parkStep: () => Promise.resolve({ parkedId: REPLAY_ID, decision: null }),
      unparkStep: nothing,
      endOrder: nothing,
    },
    meanwhile: {
      when: 'parkStep',
      act: (handle) => handle.signal(parkedStepResolved, { step: `pay:${PAYMENT_ID}`, decision: 'skip' }),
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'undoPayment',
      'parkStep',
      'unparkStep',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
  {
    ...refund,
    name: 'refund-done',
    activities: { refundPayment: () => Promise.resolve({ kind: 'refunded' }), deliverEvents: done },
    asks: ['refundPayment', 'deliverEvents'],
    result: { state: 'DONE' },
  },
  {
    ...refund,
    name: 'refund-parked-then-retried',
    activities: {
      refundPayment: inTurn({ kind: 'refused', code: 'refund_refused' }, { kind: 'refunded' }),
      parkStep: () => Promise.resolve({ parkedId: REPLAY_ID, decision: null }),
      unparkStep: nothing,
      retryRefund: nothing,
      deliverEvents: done,
    },
    meanwhile: {
      when: 'parkStep',
      act: (handle) => handle.signal(parkedStepResolved, { step: `refund:${REFUND_ID}`, decision: 'retry' }),
    },
    asks: ['refundPayment', 'parkStep', 'unparkStep', 'retryRefund', 'refundPayment', 'deliverEvents'],
    result: { state: 'DONE' },
  },
  {
    ...refund,
    name: 'refund-parked-then-failed',
    activities: {
      refundPayment: () => Promise.resolve({ kind: 'refused', code: 'refund_refused' }),
      parkStep: () => Promise.resolve({ parkedId: REPLAY_ID, decision: null }),
      unparkStep: nothing,
      failRefund: () => Promise.resolve({ state: 'FAILED' }),
      deliverEvents: done,
    },
    meanwhile: {
      when: 'parkStep',
      act: (handle) => handle.signal(parkedStepResolved, { step: `refund:${REFUND_ID}`, decision: 'fail' }),
    },
    asks: ['refundPayment', 'parkStep', 'unparkStep', 'failRefund', 'deliverEvents'],
    result: { state: 'FAILED' },
  },
  {
    ...refund,
    // The decision was stored while no run was there to hear of it.
    name: 'refund-skipped-before-it-was-parked-again',
    activities: {
      refundPayment: () => Promise.resolve({ kind: 'refused', code: 'refund_refused' }),
      parkStep: () => Promise.resolve({ parkedId: REPLAY_ID, decision: 'skip' }),
      unparkStep: nothing,
      deliverEvents: done,
    },
    asks: ['refundPayment', 'parkStep', 'unparkStep', 'deliverEvents'],
    result: { state: 'PARKED' },
  },
  {
    ...refund,
    name: 'refund-goes-on-when-its-run-is-cancelled',
    activities: {
      refundPayment: inTurn({ kind: 'refused', code: 'refund_refused' }, { kind: 'refunded' }),
      parkStep: () => Promise.resolve({ parkedId: REPLAY_ID, decision: null }),
      unparkStep: nothing,
      retryRefund: nothing,
      deliverEvents: done,
    },
    meanwhile: {
      when: 'parkStep',
      act: async (handle) => {
        await handle.cancel();
        await handle.signal(parkedStepResolved, { step: `refund:${REFUND_ID}`, decision: 'retry' });
      },
    },
    asks: ['refundPayment', 'parkStep', 'unparkStep', 'retryRefund', 'refundPayment', 'deliverEvents'],
    result: { state: 'DONE' },
  },
  {
    name: 'delivery-retried',
    workflowType: WORKFLOW_TYPES.delivery,
    input: [{ aggregateId: ORDER_ID }],
    activities: { deliverEvents: inTurn<{ waitMs: number | null }>({ waitMs: 3_600_000 }, { waitMs: null }) },
    asks: ['deliverEvents', 'deliverEvents'],
    result: undefined,
  },
  {
    name: 'delivery-woken-by-a-new-event',
    workflowType: WORKFLOW_TYPES.delivery,
    input: [{ aggregateId: ORDER_ID }],
    activities: { deliverEvents: inTurn<{ waitMs: number | null }>({ waitMs: 3_600_000 }, { waitMs: null }) },
    meanwhile: { when: 'deliverEvents', act: (handle) => handle.signal(eventsWritten) },
    asks: ['deliverEvents', 'deliverEvents'],
    result: undefined,
  },
  {
    name: 'replay-completed',
    workflowType: WORKFLOW_TYPES.replay,
    input: [{ replayId: REPLAY_ID }],
    activities: {
      sendReplay: inTurn<ReplayStep>(
        { state: 'RUNNING', waitMs: 100 },
        { state: 'RUNNING', waitMs: 60_000 },
        { state: 'COMPLETED', waitMs: null },
      ),
    },
    asks: ['sendReplay', 'sendReplay', 'sendReplay'],
    result: undefined,
  },
  {
    name: 'replay-paused-then-cancelled',
    workflowType: WORKFLOW_TYPES.replay,
    input: [{ replayId: REPLAY_ID }],
    activities: {
      sendReplay: inTurn<ReplayStep>(
        { state: 'PAUSED', waitMs: null },
        { state: 'CANCELLED', waitMs: 1_000 },
        { state: 'CANCELLED', waitMs: null },
      ),
    },
    meanwhile: { when: 'sendReplay', act: (handle) => handle.signal(replayChanged) },
    asks: ['sendReplay', 'sendReplay', 'sendReplay'],
    result: undefined,
  },
  {
    name: 'redrive',
    workflowType: WORKFLOW_TYPES.redrive,
    input: [{ redriveId: REPLAY_ID }],
    activities: { redriveDeadLetters: inTurn({ takenUp: 100 }, { takenUp: 7 }, { takenUp: 0 }) },
    asks: ['redriveDeadLetters', 'redriveDeadLetters', 'redriveDeadLetters'],
    result: undefined,
  },
  {
    name: 'backlog',
    workflowType: WORKFLOW_TYPES.backlog,
    input: [{ rule: 'orders-to-billing' }],
    activities: { wakeBacklog: () => Promise.resolve({ woken: 3 }) },
    asks: ['wakeBacklog'],
    result: { woken: 3 },
  },
  {
    name: 'purge',
    workflowType: WORKFLOW_TYPES.purge,
    input: [],
    activities: { purgeArchive: () => Promise.resolve({ state: 'DONE', removed: { events: 7 } }) },
    asks: ['purgeArchive'],
    result: { state: 'DONE', removed: { events: 7 } },
  },
  {
    name: 'target-test',
    workflowType: WORKFLOW_TYPES.targetTest,
    input: [{ target: 'billing', testId: REPLAY_ID }],
    activities: { testTarget: () => Promise.resolve(TESTED) },
    asks: ['testTarget'],
    result: TESTED,
  },
  ...notifications(),
  {
    name: 'silence',
    workflowType: WORKFLOW_TYPES.silence,
    input: [{ until: Date.UTC(2030, 0, 1) }],
    activities: { wakeSilent: () => Promise.resolve({ woken: 2 }) },
    asks: ['wakeSilent'],
    result: { woken: 2 },
  },
  ...reconciliations(),
  ...sales,
  ...groups,
  ...ordersInFull,
  ...orderRaces,
  // Last: the time-skipping server skips no more time once a run has ended before an activity that it gave up.
  ...givenUp,
  {
    ...order,
    name: 'order-cancelled-before-its-commit',
    activities: { commitOrder: neverAnswers, closeTransaction: () => Promise.resolve(closed) },
    meanwhile: {
      when: 'commitOrder',
      async act(handle) {
        expect(await handle.executeUpdate(cancelOrder)).toEqual({ status: 'REJECTED' });
      },
    },
    // Within the workflow's task first, then as an activity.
    asks: ['commitOrder', 'commitOrder', 'closeTransaction'],
    result: { decision: 'closed', code: 'transaction_closed' },
  },
  {
    ...order,
    name: 'order-cancelled',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      readProgress: () =>
        Promise.resolve({
          ...placed,
          status: 'CANCELLED',
          paymentStatus: 'FAILED',
          ending: cancelled,
        }),
      deliverEvents: done,
      chargePayment: neverAnswers,
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: null }),
      endOrder: nothing,
    },
    meanwhile: {
      when: 'chargePayment',
      async act(handle) {
        expect(await handle.executeUpdate(cancelOrder)).toEqual({ status: 'CANCELLED' });
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'beginEnding',
      'undoPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
];
