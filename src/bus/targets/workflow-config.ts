import { checkedSettings, readTimeoutMs, TIMEOUT_PROPERTY } from './common-settings';
import { ConfigFields } from './config-fields';
import type { TargetRequest } from './target';

/** Source: Temporal Server, limit.maxIDLength: 1,000 characters; half of it leaves room for what placeholders become. */
const NAME_LENGTH_MAX = 500;
const WORKFLOW_ID_LENGTH_MAX = 1_000;
const NAME = {
  pattern: /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/,
  lengthMax: NAME_LENGTH_MAX,
  message: `This must be 1 to ${NAME_LENGTH_MAX} visible ASCII characters.`,
};
const WORKFLOW_ID = {
  ...NAME,
  pattern: /^([\x20-\x3b\x3d\x3f-\x7e]|<event\.id>|<ordering-key>)+$/,
  message: 'This must be visible ASCII characters with the placeholders <event.id> and <ordering-key>.',
};

/**
 * What the service runs itself: an event must not start or disturb it. The names are those of the workflows' messages,
 * which this room does not import; a test holds the two together.
 */
const OWN_TASK_QUEUES = ['orders', 'publish', 'notify', 'maintenance'];
const OWN_WORKFLOW_TYPES = [
  'orderWorkflow',
  'refundWorkflow',
  'deliveryWorkflow',
  'notificationWorkflow',
  'silenceWorkflow',
  'groupWorkflow',
  'saleWorkflow',
  'replayWorkflow',
  'redriveWorkflow',
  'backlogWorkflow',
  'targetTestWorkflow',
  'reconciliationWorkflow',
  'purgeWorkflow',
];
const OWN_WORKFLOW_ID =
  /^(order|refund|deliver|notify|silence|group|sale|replay|redrive|test|backlog|reconcile)\/|^(reconcile|purge)-|^temporal-sys-/;
/** Source: Temporal: names of its own begin so. */
const TEMPORAL_NAME = /^__|^temporal-sys-/;

export const WORKFLOW_PROPERTIES = {
  workflowType: { type: 'string', example: 'billingWorkflow' },
  taskQueue: { type: 'string', example: 'billing' },
  workflowId: { type: 'string', example: 'billing-<ordering-key>' },
  signal: { type: 'string', example: 'orderEvent' },
  timeoutMs: TIMEOUT_PROPERTY,
} as const;

/** A workflow to start or to signal, checked and with its defaults filled in. */
export interface WorkflowTargetConfig {
  workflowType: string;
  taskQueue: string;
  /** With `<event.id>` and `<ordering-key>`. */
  workflowId: string;
  /** Absent: each event starts a workflow. */
  signal?: string;
  timeoutMs: number;
}

/**
 * @param config - parsed JSON
 * @throws InvalidTargetError (not retryable) with a pointer per mistake
 */
export function parseWorkflowTargetConfig(config: unknown): WorkflowTargetConfig {
  const fields = new ConfigFields(config, Object.keys(WORKFLOW_PROPERTIES));
  const workflowType = nameIn(fields, 'workflowType', OWN_WORKFLOW_TYPES);
  const taskQueue = nameIn(fields, 'taskQueue', OWN_TASK_QUEUES);
  const workflowId = fields.text('workflowId', WORKFLOW_ID);
  if (OWN_WORKFLOW_ID.test(workflowId)) {
    fields.refuse(['workflowId'], 'Ids that begin so belong to the service.');
  }
  const signal = fields.value('signal') === undefined ? undefined : nameIn(fields, 'signal', []);
  const timeoutMs = readTimeoutMs(fields);
  return checkedSettings(
    { workflowType, taskQueue, workflowId, ...(signal === undefined ? {} : { signal }), timeoutMs },
    fields,
  );
}

function nameIn(fields: ConfigFields, member: string, own: readonly string[]): string {
  const name = fields.text(member, NAME);
  if (own.includes(name) || TEMPORAL_NAME.test(name)) {
    fields.refuse([member], 'This belongs to the service itself.');
  }
  return name;
}

/**
 * The id of the workflow that an event is for, or null for one that no event may reach: an ordering key comes from
 * outside and could make the id of one of the service's own workflows.
 */
export function workflowIdOf({ workflowId }: WorkflowTargetConfig, request: TargetRequest): string | null {
  const id = workflowId
    .replaceAll('<event.id>', () => request.event.id)
    .replaceAll('<ordering-key>', () => request.orderingKey);
  return OWN_WORKFLOW_ID.test(id) || id.length > WORKFLOW_ID_LENGTH_MAX ? null : id;
}
