import {
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
  type WithStartWorkflowOperation,
} from '@temporalio/client';
import { placeOrders } from '../../src/database/orders';
import type { Pool } from '../../src/database/pool';
import { readRequestBody } from '../../src/database/requests';
import { phoneHash } from '../database/place';
import { PLACES } from './test-app';

/** What the stub does when it is asked to decide an order or to start a workflow. */
export interface StubBehaviour {
  /** `commit`: as the workflow would. `timeout`: nothing is heard. `lost`: the connection breaks. */
  decide: 'commit' | 'timeout' | 'lost';
  /** `ran`: a run of that id has ended, and there is to be no second one. */
  start: 'acknowledge' | 'lost' | 'ran';
  /** What the order's run does with an update that is not about its commit. */
  update?: (name: string, input: unknown) => Promise<unknown>;
}

export interface TemporalStub {
  client: Client;
  behaviour: StubBehaviour;
  /** Ids of the workflows that were started, each start once. */
  started: string[];
  /** Ids of the workflows whose run was asked to end. */
  cancelled: string[];
}

/**
 * Stands for Temporal in tests of what the HTTP room makes of its answers and outages. The commit itself is real. What a
 * real server does with these calls is shown by the end-to-end tests.
 */
export function stubTemporal(pool: Pool): TemporalStub {
  const stub: Omit<TemporalStub, 'client'> = {
    behaviour: { decide: 'commit', start: 'acknowledge' },
    started: [],
    cancelled: [],
  };
  const decide = async (
    { name }: { name: string },
    options: {
      startWorkflowOperation: WithStartWorkflowOperation<(input: { orderId: string }) => Promise<unknown>>;
      args: unknown[];
    },
  ): Promise<unknown> => {
    if (stub.behaviour.decide === 'lost') throw new ServiceError('14 UNAVAILABLE');
    if (stub.behaviour.decide === 'timeout')
      throw new WorkflowUpdateRPCTimeoutOrCancelledError('4 DEADLINE_EXCEEDED');
    const { workflowId, args } = options.startWorkflowOperation.options as {
      workflowId: string;
      args: [{ orderId: string }];
    };
    stub.started.push(workflowId);
    if (name !== 'awaitCommit' && stub.behaviour.update !== undefined)
      return stub.behaviour.update(name, options.args[0]);
    return commit(pool, args[0].orderId);
  };
  const start = (type: string, { workflowId }: { workflowId: string }): Promise<void> => {
    if (stub.behaviour.start === 'lost') return Promise.reject(new ServiceError('14 UNAVAILABLE'));
    if (stub.behaviour.start === 'ran')
      return Promise.reject(new WorkflowExecutionAlreadyStartedError('already started', workflowId, type));
    stub.started.push(workflowId);
    return Promise.resolve();
  };
  const client = {
    withDeadline: (_deadline: number, work: () => Promise<unknown>) => work(),
    workflow: {
      executeUpdateWithStart: decide,
      start,
      signalWithStart: start,
      getHandle: (workflowId: string) => ({
        cancel: () => Promise.resolve(void stub.cancelled.push(workflowId)),
      }),
    },
  };
  return { ...stub, client: client as unknown as Client };
}

/** What the workflow's first activity does. */
export async function commit(pool: Pool, orderId: string): Promise<{ status: string }> {
  const request = await readRequestBody(pool, orderId);
  if (request === null || request.body === null) return { status: 'CONFIRMED' };
  const order = { orderId, caller: request.caller, request: request.body };
  await placeOrders(pool, [order], {
    at: new Date().toISOString(),
    places: PLACES,
    phoneHash,
  });
  return { status: 'CONFIRMED' };
}
