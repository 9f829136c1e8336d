import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type SearchAttributePair,
  type SignalDefinition,
} from '@temporalio/common';
import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { OrderProgress, OrderStatus } from '../domain/orders';
import type { Decision } from '../domain/parked';
import type { ReconciliationKind } from '../domain/reconciliation';

/** What the HTTP room, the workers and the workflows all name: inputs, messages, task queues, search attributes. */

export interface OrderInput {
  orderId: string;
}

/** What comes of an order's run and of its commit. Not all of its progress: that is in the history already. */
export type OrderResult = Pick<OrderProgress, 'decision' | 'code' | 'status' | 'paymentStatus'>;

export interface RefundInput {
  refundId: string;
  orderId: string;
}

export interface NotificationInput {
  notificationId: string;
}

/** Messages that no report came for until then: epoch milliseconds. */
export interface SilenceInput {
  until: number;
}

/** A window of the flash lane. */
export interface GroupInput {
  groupId: string;
  /** How long its process commits under it, from the first order. */
  windowMs: number;
  /** How long first deliveries may take after that before somebody looks at them. */
  graceMs: number;
  /** Of a run that goes on with a group that is closed already. */
  isClosed?: boolean;
}

/** An order, or a subject of callers' own events. */
export interface DeliveryInput {
  aggregateId: string;
}

export interface ReplayInput {
  replayId: string;
}

export interface SaleInput {
  saleId: string;
}

export interface RedriveInput {
  redriveId: string;
}

/** What waited because of a rule or a target that was paused. */
export interface BacklogInput {
  rule?: string;
  target?: string;
}

/** What a reconciliation looks at, and whether it may change anything. */
export interface ReconciliationInput {
  /** Absent: a new one, as a schedule begins it. */
  reconciliationId?: string;
  kind: ReconciliationKind;
  /** Reports only. */
  dryRun: boolean;
  actor: string;
}

export interface TargetTestInput {
  target: string;
  testId: string;
}

/** Names of the workflow types, so that a client needs none of their code. */
export const WORKFLOW_TYPES = {
  order: 'orderWorkflow',
  refund: 'refundWorkflow',
  group: 'groupWorkflow',
  sale: 'saleWorkflow',
  delivery: 'deliveryWorkflow',
  notification: 'notificationWorkflow',
  silence: 'silenceWorkflow',
  replay: 'replayWorkflow',
  redrive: 'redriveWorkflow',
  backlog: 'backlogWorkflow',
  targetTest: 'targetTestWorkflow',
  reconciliation: 'reconciliationWorkflow',
  purge: 'purgeWorkflow',
} as const;

export const workflowIds = {
  order: (orderId: string): string => `order/${orderId}`,
  refund: (refundId: string): string => `refund/${refundId}`,
  group: (groupId: string): string => `group/${groupId}`,
  sale: (saleId: string): string => `sale/${saleId}`,
  delivery: (aggregateId: string): string => `deliver/${aggregateId}`,
  notification: (notificationId: string): string => `notify/${notificationId}`,
  silence: ({ until }: SilenceInput): string => `silence/${new Date(until).toISOString()}`,
  replay: (replayId: string): string => `replay/${replayId}`,
  redrive: (redriveId: string): string => `redrive/${redriveId}`,
  reconciliation: (reconciliationId: string): string => `reconcile/${reconciliationId}`,
  targetTest: ({ target, testId }: TargetTestInput): string => `test/${target}/${testId}`,
  backlog: ({ rule, target }: BacklogInput): string =>
    rule === undefined ? `backlog/target/${target}` : `backlog/rule/${rule}`,
};

/** Source: design, section 4. */
export const TASK_QUEUES = {
  orders: 'orders',
  publish: 'publish',
  notify: 'notify',
  maintenance: 'maintenance',
} as const;

/** Answers once the commit is decided. */
export const awaitCommit = defineUpdate<OrderResult>('awaitCommit');
/** Every request of one order uses this update id, so that all get the one outcome, on a closed run too. */
export const COMMIT_UPDATE_ID = 'committed';

/** Asks for the order to be undone; answers with the status that it ended in, which tells whether it was too late. */
export const cancelOrder = defineUpdate<{ status: OrderStatus | 'REJECTED' }>('cancelOrder');
export const CANCEL_UPDATE_ID = 'cancelled';

export interface PayInput {
  paymentId: string;
}
/** What came of a payment; null when the order's run ended without an answer of its own: the payment's row tells. */
export type PayOutcome = 'captured' | 'declined' | 'requires_action' | null;
/**
 * Pays for an order that waits, with a payment whose row is written. Its update id is the payment's id, so that repeats of a
 * request get the one outcome.
 */
export const payOrder = defineUpdate<PayOutcome, [PayInput]>('payOrder');
/** The gateway or the carrier told something: the rows say what. */
export const orderChanged = defineSignal('orderChanged');

/** The group was used later than planned, or something of it may be due: look again. */
export const groupChanged = defineSignal('groupChanged');
/** Something new may be due: look again. */
export const eventsWritten = defineSignal('eventsWritten');
export const attemptChanged = defineSignal('attemptChanged');
/** Somebody paused, resumed or cancelled it: the row says what. */
export const replayChanged = defineSignal('replayChanged');
/** Somebody changed the sale: the row says how. */
export const saleChanged = defineSignal('saleChanged');

/** An operator decided about a parked step. */
export interface Resolution {
  step: string;
  decision: Decision;
  /** Which parking of the step; absent from a signal by hand, which means the one that waits. */
  parkedId?: string;
}
export const parkedStepResolved = defineSignal<[Resolution]>('parkedStepResolved');

/** What can be searched for in the Web UI. No personal data. */
export const searchAttributes = {
  orderId: defineSearchAttributeKey('OrderId', SearchAttributeType.KEYWORD),
  orderStatus: defineSearchAttributeKey('OrderStatus', SearchAttributeType.KEYWORD),
  paymentStatus: defineSearchAttributeKey('PaymentStatus', SearchAttributeType.KEYWORD),
  needsAttention: defineSearchAttributeKey('NeedsAttention', SearchAttributeType.BOOL),
};

/** A workflow that is started, or told by a signal when it runs already: the same for everybody who does so. */
export interface WakeUp<Input> {
  workflowType: string;
  options: {
    workflowId: string;
    taskQueue: string;
    args: [Input];
    signal: SignalDefinition;
    staticSummary: string;
    typedSearchAttributes?: SearchAttributePair[];
  };
}

/** What goes on by itself, by what it is about. One signal-with-start: started or woken, never twice. */
export const wakeUps = {
  order: (orderId: string): WakeUp<OrderInput> => ({
    workflowType: WORKFLOW_TYPES.order,
    options: {
      workflowId: workflowIds.order(orderId),
      taskQueue: TASK_QUEUES.orders,
      args: [{ orderId }],
      signal: orderChanged,
      staticSummary: 'goes on with an order',
      typedSearchAttributes: [{ key: searchAttributes.orderId, value: orderId }],
    },
  }),
  /** Of a group that was closed: a run that is over begins again with what is left. */
  group: (groupId: string): WakeUp<GroupInput> => ({
    workflowType: WORKFLOW_TYPES.group,
    options: {
      workflowId: workflowIds.group(groupId),
      taskQueue: TASK_QUEUES.orders,
      args: [{ groupId, windowMs: 0, graceMs: 0, isClosed: true }],
      signal: groupChanged,
      staticSummary: 'goes on with a group of orders',
    },
  }),
  /** @param aggregateId - of an order, or of a subject of callers' own events */
  delivery: (aggregateId: string): WakeUp<DeliveryInput> => ({
    workflowType: WORKFLOW_TYPES.delivery,
    options: {
      workflowId: workflowIds.delivery(aggregateId),
      taskQueue: TASK_QUEUES.orders,
      args: [{ aggregateId }],
      signal: eventsWritten,
      staticSummary: 'deliveries that are not done yet',
      typedSearchAttributes: [{ key: searchAttributes.orderId, value: aggregateId }],
    },
  }),
  notification: ({
    notificationId,
    orderId,
  }: NotificationInput & { orderId: string }): WakeUp<NotificationInput> => ({
    workflowType: WORKFLOW_TYPES.notification,
    options: {
      workflowId: workflowIds.notification(notificationId),
      taskQueue: TASK_QUEUES.notify,
      args: [{ notificationId }],
      signal: attemptChanged,
      staticSummary: 'a message without an outcome yet',
      typedSearchAttributes: [{ key: searchAttributes.orderId, value: orderId }],
    },
  }),
  replay: (replayId: string): WakeUp<ReplayInput> => ({
    workflowType: WORKFLOW_TYPES.replay,
    options: {
      workflowId: workflowIds.replay(replayId),
      taskQueue: TASK_QUEUES.maintenance,
      args: [{ replayId }],
      signal: replayChanged,
      staticSummary: 'events sent again out of the archive',
    },
  }),
  sale: (saleId: string): WakeUp<SaleInput> => ({
    workflowType: WORKFLOW_TYPES.sale,
    options: {
      workflowId: workflowIds.sale(saleId),
      taskQueue: TASK_QUEUES.orders,
      args: [{ saleId }],
      signal: saleChanged,
      staticSummary: 'opens and closes a sale',
    },
  }),
};

/**
 * Who waits for the decision about a parked step, started or told, as in `wakeUps`. A run that is gone begins again: it
 * comes to the step once more and finds the decision in its row.
 */
export function resolutionWakeUp({ workflowId, orderId }: { workflowId: string; orderId: string }): {
  workflowType: string;
  options: Omit<WakeUp<OrderInput | RefundInput>['options'], 'signal'>;
} {
  const [kind, id] = workflowId.split('/') as [string, string | undefined];
  const starting = {
    workflowId,
    taskQueue: TASK_QUEUES.orders,
    staticSummary: 'an operator decided about a parked step',
    typedSearchAttributes: [{ key: searchAttributes.orderId, value: orderId }],
  };
  switch (kind) {
    case 'order':
      return { workflowType: WORKFLOW_TYPES.order, options: { ...starting, args: [{ orderId }] } };
    case 'refund':
      return {
        workflowType: WORKFLOW_TYPES.refund,
        options: { ...starting, args: [{ orderId, refundId: id! }] },
      };
    default:
      throw new RangeError(`no workflow of the kind ${kind} parks steps`);
  }
}
