import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { SendOutcome, Target, TargetRequest } from './target';
import {
  parseWorkflowTargetConfig,
  WORKFLOW_PROPERTIES,
  workflowIdOf,
  type WorkflowTargetConfig,
} from './workflow-config';
import { outcomeOfTemporalFailure } from './workflow-outcome';

/** The second argument of a workflow or signal: what a receiver tells repeats and replays by. */
export interface WorkflowEventContext {
  eventId: string;
  /** The same for every repeat of one delivery. */
  deliveryId: string;
  replayId: string | null;
}

/** What of the dependencies a workflow target uses. */
export type WorkflowTargetDeps = Pick<OpenTargetDeps, 'temporal'>;

/**
 * Starts or signals a workflow of the caller's own workers, in the service's namespace. Both get the payload, parsed when
 * it is JSON and else as text, and a WorkflowEventContext.
 *
 * Without `signal` there is exactly one start for each workflow id while the namespace remembers it: a workflow that runs
 * or has run counts as delivered. With `signal` the workflow is started when it does not run, without arguments, and
 * signalled in one call. Signals are at-least-once: a workflow drops repeats by `deliveryId`.
 */
export function createWorkflowTarget(config: WorkflowTargetConfig, deps: WorkflowTargetDeps): Target {
  let closed = false;
  return {
    send: async (request) => {
      if (closed) return CLOSED;
      const startedAt = performance.now();
      const latencyMs = (): number => Math.round(performance.now() - startedAt);
      const workflowId = workflowIdOf(config, request);
      if (workflowId === null) return outcomeOfRefusedId();
      try {
        const call = (): Promise<unknown> => deliver(deps.temporal(), { config, request, workflowId });
        await withinTime(call, config.timeoutMs);
        return { kind: 'delivered', status: null, latencyMs: latencyMs() };
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError && config.signal === undefined) {
          return { kind: 'delivered', status: null, latencyMs: latencyMs() };
        }
        const outcome = outcomeOfTemporalFailure(error, latencyMs());
        if (outcome === null) throw error;
        return outcome;
      }
    },
    // The client is the service's own, so there is nothing to free.
    close: () => {
      closed = true;
      return Promise.resolve();
    },
  };
}

const CLOSED: SendOutcome = {
  kind: 'retry',
  status: null,
  latencyMs: 0,
  code: 'target_closed',
  message: 'The target was closed while it was sending.',
};

/** The kind `workflow` of the registry. What it sends is kept in histories, which hold no personal data. */
export const workflowKind: TargetKind = {
  properties: WORKFLOW_PROPERTIES,
  connections: [],
  takesPersonalData: false,
  validate: parseWorkflowTargetConfig,
  open: (config, deps) => createWorkflowTarget(parseWorkflowTargetConfig(config), deps),
};

interface Delivery {
  config: WorkflowTargetConfig;
  request: TargetRequest;
  workflowId: string;
}

function deliver(client: Client, { config, request, workflowId }: Delivery): Promise<unknown> {
  const { workflowType, taskQueue, signal, timeoutMs } = config;
  const args = argumentsOf(request);
  // The deadline ends the call itself; what goes on after it would only be an answer that nobody reads.
  return client.withDeadline<unknown>(Date.now() + timeoutMs, () =>
    signal === undefined
      ? client.workflow.start(workflowType, {
          workflowId,
          taskQueue,
          args,
          workflowIdConflictPolicy: 'USE_EXISTING',
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
        })
      : client.workflow.signalWithStart(workflowType, {
          workflowId,
          taskQueue,
          args: [],
          signal,
          signalArgs: args,
        }),
  );
}

function argumentsOf({
  event,
  deliveryId,
  replayId,
  payload,
}: TargetRequest): [unknown, WorkflowEventContext] {
  return [parsedOrText(payload), { eventId: event.id, deliveryId, replayId }];
}

function parsedOrText(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return payload;
  }
}

/** A connection that never comes up knows no deadline of its own. */
function withinTime(call: () => Promise<unknown>, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(Object.assign(new Error('out of time'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    );
    call()
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });
}

function outcomeOfRefusedId(): SendOutcome {
  const message = 'The event makes a workflow id that belongs to the service, or one that is too long.';
  return { kind: 'dead', status: null, latencyMs: 0, code: 'workflow_id_refused', message };
}
