import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import { LOCAL_STEP, localFirst } from './local-first';
import { TASK_QUEUES } from './messages';

/**
 * Every activity with its timeouts and retry policy, and the reason beside each number. Activities are idempotent by a
 * business key, so each may be repeated at any time.
 */

/** A database step ends in milliseconds. Longer means lock timeouts (2 s each) and repeats inside, or a dead worker. */
const DATABASE_STEP = {
  taskQueue: TASK_QUEUES.orders,
  startToCloseTimeout: '10s',
  // 100 ms first, because most failures are a lost race; 10 s at most, so that a database that returns is met soon.
  retry: { initialInterval: '100ms', backoffCoefficient: 2, maximumInterval: '10s' },
} satisfies ActivityOptions;

/**
 * A commit that has no outcome after this long is fenced: the caller has long had its 202, and stock must not hang on an
 * order that nobody waits for.
 */
const COMMIT_DEADLINE = '2m';

const COMMIT = 'commit order, stock and event in one transaction';
/** Local first, as every step that an order takes when all is well; those of an undo are rare, and stay activities. */
export const commitOrder = localFirst(
  proxyLocalActivities<Activities>({ ...LOCAL_STEP, summary: COMMIT }).commitOrder,
  proxyActivities<Activities>({
    ...DATABASE_STEP,
    scheduleToCloseTimeout: COMMIT_DEADLINE,
    // A cancel does not wait for a commit that hangs: closing the transaction does, in the database.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    summary: COMMIT,
  }).commitOrder,
);

export const { closeTransaction } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  summary: 'close the transaction: it has not committed and never can, or it has',
});

const READ = 'read how far it is';
export const readProgress = localFirst(
  proxyLocalActivities<Activities>({ ...LOCAL_STEP, summary: READ }).readProgress,
  proxyActivities<Activities>({ ...DATABASE_STEP, summary: READ }).readProgress,
);

const SETTLE = 'settle: sold, confirmed';
export const settleOrder = localFirst(
  proxyLocalActivities<Activities>({ ...LOCAL_STEP, summary: SETTLE }).settleOrder,
  proxyActivities<Activities>({ ...DATABASE_STEP, summary: SETTLE }).settleOrder,
);

export const { beginEnding } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  summary: 'stop the order from settling',
});

export const { endOrder } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  summary: 'release stock, close the order',
});

export const { announceDecline, closeStep, completeShipment } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  summary: 'write what happened',
});

export const { advanceSale } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  summary: 'open or close the sale if its time has come',
});

/** Counts all orders of a sale in one statement, which takes seconds for a million, and holds only the lock of a closed sale. */
export const { reconcileSale } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  startToCloseTimeout: '30s',
  summary: 'compare the sale with its orders',
});

export const { parkStep, unparkStep } = proxyActivities<Activities>(DATABASE_STEP);

/** Longer than the gateway's own time-out (10 s) for each of authorize, capture and look-up, with their records. */
const GATEWAY_STEP = {
  taskQueue: TASK_QUEUES.orders,
  startToCloseTimeout: '45s',
  // Heartbeats come every 3 s: a worker that died is noticed after 10 s, not after 45 s.
  heartbeatTimeout: '10s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
} satisfies ActivityOptions;

export const { chargePayment } = proxyActivities<Activities>({
  ...GATEWAY_STEP,
  // A customer waits for this. After five minutes without a definite answer the order is undone instead.
  scheduleToCloseTimeout: '5m',
  // A cancel does not wait for a gateway that hangs: undoing the payment makes its outcome definite.
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  summary: 'authorize and capture at the gateway',
});

/**
 * What follows a confirmed order has no deadline, like an undo: the customer has paid. An outage of a participant is met with
 * longer waits, since nobody sits before a screen.
 */
const PARTICIPANT_STEP = {
  ...GATEWAY_STEP,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '1m' },
  // A cancel does not wait for a participant that hangs: its undo makes the outcome definite.
  cancellationType: ActivityCancellationType.TRY_CANCEL,
} satisfies ActivityOptions;

export const { bookShipment } = proxyActivities<Activities>({
  ...PARTICIPANT_STEP,
  summary: 'book the shipment',
});
export const { awardPoints } = proxyActivities<Activities>({ ...PARTICIPANT_STEP, summary: 'award points' });
export const { clearCart } = proxyActivities<Activities>({ ...PARTICIPANT_STEP, summary: 'clear the cart' });
export const { lookUpShipment } = proxyActivities<Activities>({
  ...PARTICIPANT_STEP,
  summary: 'ask the carrier',
});
export const { cancelShipment, reversePoints, restoreCart } = proxyActivities<Activities>({
  ...PARTICIPANT_STEP,
  summary: 'undo at the participant',
});

/** Undoing has no deadline: money that is owed stays owed. The order stays visible as COMPENSATING. */
export const { undoPayment, refundPayment, retryRefund, failRefund } = proxyActivities<Activities>({
  ...GATEWAY_STEP,
  summary: 'undo at the gateway',
});

/**
 * One attempt for each delivery that is due, and for each message. The longest single call is a target's 30 s time-out;
 * several rounds may follow each other as one delivery lets the next one go.
 */
const DELIVERY_STEP = {
  taskQueue: TASK_QUEUES.publish,
  startToCloseTimeout: '2m',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
} satisfies ActivityOptions;

export const { deliverEvents } = proxyActivities<Activities>({
  ...DELIVERY_STEP,
  summary: 'publish the events, tell the customer',
});

export const { sendReplay } = proxyActivities<Activities>({ ...DELIVERY_STEP, summary: 'send events again' });

/** Waits for commits that are under way: some seconds at most. */
export const { closeGroup } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  summary: 'close the window',
});

/** Many deliveries and messages in rounds, of 60 s together, and the last of them may take 45 s more. */
export const { finishGroup } = proxyActivities<Activities>({
  ...DELIVERY_STEP,
  taskQueue: TASK_QUEUES.publish,
  startToCloseTimeout: '5m',
  summary: 'do what is left of the group',
});

/** One call to the provider (40 s at most) or one look-up over some pages. */
export const { continueNotification } = proxyActivities<Activities>({
  taskQueue: TASK_QUEUES.notify,
  startToCloseTimeout: '60s',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
  summary: 'next step of a message',
});

/** A call to Temporal for each message that stayed silent: few, unless the reports are lost. */
export const { wakeSilent } = proxyActivities<Activities>({
  taskQueue: TASK_QUEUES.notify,
  startToCloseTimeout: '10m',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
  summary: 'ask after silent messages',
});

/** One attempt: somebody looks at the answer. Longer than a target's longest time-out (30 s). */
export const { testTarget } = proxyActivities<Activities>({
  taskQueue: TASK_QUEUES.publish,
  startToCloseTimeout: '35s',
  scheduleToCloseTimeout: '40s',
  retry: { maximumAttempts: 1 },
  summary: 'send a test event',
});

/** Some calls to Temporal for each page of what waits; a backlog may be long. */
export const { redriveDeadLetters, wakeBacklog } = proxyActivities<Activities>({
  taskQueue: TASK_QUEUES.maintenance,
  startToCloseTimeout: '30m',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
  summary: 'wake what waited',
});

/** Taking and freeing the lock is a statement; a run without its end would keep others out until its lease is over. */
export const { beginReconciliation, finishReconciliation } = proxyActivities<Activities>({
  ...DATABASE_STEP,
  taskQueue: TASK_QUEUES.maintenance,
  summary: 'take or free the lock of reconciliation',
});

/** Whole tables, and lists of others page by page. What does not answer after five tries is left to the next run. */
export const { reconcileSource, rebuildOpenWork } = proxyActivities<Activities>({
  taskQueue: TASK_QUEUES.maintenance,
  startToCloseTimeout: '6h',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m', maximumAttempts: 5 },
  summary: 'look for what is wrong, repair or park it',
});

/** As many batches as there are; each tells that this worker is alive. */
export const { purgeArchive } = proxyActivities<Activities>({
  taskQueue: TASK_QUEUES.maintenance,
  startToCloseTimeout: '6h',
  heartbeatTimeout: '60s',
  retry: { initialInterval: '10s', backoffCoefficient: 2, maximumInterval: '10m', maximumAttempts: 10 },
  summary: 'remove what is older than its retention',
});
