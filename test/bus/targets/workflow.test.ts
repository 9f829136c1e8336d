import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { createWorkflowTarget, type WorkflowEventContext } from '../../../src/bus/targets/workflow';
import { parseWorkflowTargetConfig, workflowIdOf } from '../../../src/bus/targets/workflow-config';
import { outcomeOfTemporalFailure } from '../../../src/bus/targets/workflow-outcome';
import type { SendOutcome, Target } from '../../../src/bus/targets/target';
import type { TemporalServer } from '../../../src/dev/temporal-server';
import { InvalidTargetError } from '../../../src/errors';
import { TASK_QUEUES, WORKFLOW_TYPES, workflowIds } from '../../../src/workflows/messages';
import { startFaultProxy } from '../../chaos/fault-proxy';
import { CONTRACT_EVENT, CONTRACT_REQUEST, targetContract, type TargetHarness } from '../../contract/target';
import { startLocalTemporal } from '../../support/temporal';
import { waitFor } from '../../support/wait';

const TIMEOUT_MS = 1_500;
const SETTINGS = { workflowType: 'billingWorkflow', taskQueue: 'billing', timeoutMs: TIMEOUT_MS };

let server: TemporalServer;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  server = await startLocalTemporal({ ui: false });
  connection = await Connection.connect({ address: server.address });
  client = new Client({ connection });
});

afterAll(async () => {
  await connection.close();
  await server.stop();
});

function open(settings: object, temporal: () => Client = () => client): Target {
  return createWorkflowTarget(parseWorkflowTargetConfig({ ...SETTINGS, ...settings }), { temporal });
}

type Arguments = [unknown, WorkflowEventContext];

/** What the history says that the workflow was given: at its start, and by signals. */
async function historyOf(workflowId: string): Promise<{ started: Arguments[]; signals: Arguments[] }> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const given = (events ?? []).map((event) => ({
    started: argumentsOf(event.workflowExecutionStartedEventAttributes?.input?.payloads),
    signalled: argumentsOf(event.workflowExecutionSignaledEventAttributes?.input?.payloads),
  }));
  return {
    started: given.flatMap(({ started }) => (started === null ? [] : [started])),
    signals: given.flatMap(({ signalled }) => (signalled === null ? [] : [signalled])),
  };
}

function argumentsOf(payloads: { data?: Uint8Array | null }[] | null | undefined): Arguments | null {
  if (payloads === null || payloads === undefined) return null;
  return payloads.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString()) as unknown) as Arguments;
}

targetContract('workflow', async (): Promise<TargetHarness> => {
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(server.address.split(':').pop()) });
  const through = await Connection.connect({ address: `127.0.0.1:${proxy.port}` });
  const name = randomUUID();
  const workflowId = `${name}-ord_1`;
  const target = open(
    { workflowId: `${name}-<ordering-key>`, signal: 'orderEvent' },
    () => new Client({ connection: through }),
  );
  const signals = async (): Promise<Arguments[]> =>
    (await historyOf(workflowId).catch(() => ({ signals: [] }))).signals;
  let cutting: Promise<void> = Promise.resolve();
  return {
    target,
    timeoutMs: TIMEOUT_MS,
    situations: ['accepts', 'refuses', 'hangs', 'accepts-then-cuts', 'unreachable'],
    poison: { ...CONTRACT_REQUEST, orderingKey: 'x'.repeat(1_000) },
    arrange: async (situation) => {
      await cutting;
      await proxy.heal();
      if (situation === 'hangs') proxy.freeze('down');
      if (situation === 'unreachable') {
        await proxy.refuse();
        proxy.cut();
      }
      if (situation === 'accepts-then-cuts') {
        const before = (await signals()).length;
        proxy.freeze('down');
        cutting = waitFor('the signal', async () => (await signals()).length > before).then(() =>
          proxy.cut(),
        );
      }
      if (situation === 'accepts') await waitFor('a connection', () => through.healthService.check({}));
    },
    received: async () =>
      (await signals()).map(([payload, { eventId, deliveryId, replayId }]) => ({
        id: eventId,
        deliveryId,
        payload: JSON.stringify(payload),
        orderingKey: 'ord_1',
        replayId,
      })),
    close: async () => {
      await target.close();
      await through.close();
      await proxy.close();
    },
  };
});

describe('a start', () => {
  it('happens once for an id, with the payload and what tells repeats', async () => {
    const id = randomUUID();
    const target = open({ workflowId: `${id}-<event.id>-<ordering-key>` });

    const outcomes = await Promise.all(Array.from({ length: 5 }, () => target.send(CONTRACT_REQUEST)));

    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(5).fill('delivered'));
    const workflowId = `${id}-${CONTRACT_EVENT.id}-ord_1`;
    const context = { eventId: CONTRACT_EVENT.id, deliveryId: CONTRACT_REQUEST.deliveryId, replayId: null };
    expect((await historyOf(workflowId)).started).toEqual([[JSON.parse(CONTRACT_REQUEST.payload), context]]);
    const description = await client.workflow.getHandle(workflowId).describe();
    expect(description).toMatchObject({ type: 'billingWorkflow', taskQueue: 'billing' });
  });

  it('that happened counts as delivered when the workflow has ended, and starts no other', async () => {
    const workflowId = `ended-${randomUUID()}`;
    const target = open({ workflowId });
    await target.send(CONTRACT_REQUEST);
    const { runId } = await client.workflow.getHandle(workflowId).describe();
    await client.workflow.getHandle(workflowId).terminate();

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });

    expect(await client.workflow.getHandle(workflowId).describe()).toMatchObject({ runId });
  });

  it('gets a payload that is no JSON as text', async () => {
    const workflowId = `text-${randomUUID()}`;
    await open({ workflowId }).send({ ...CONTRACT_REQUEST, payload: 'Order #<1> confirmed' });

    expect((await historyOf(workflowId)).started[0]?.[0]).toBe('Order #<1> confirmed');
  });
});

describe('a signal', () => {
  it('starts the workflow without arguments when it does not run, also after it has ended', async () => {
    const workflowId = `entity-${randomUUID()}`;
    const target = open({ workflowId, signal: 'orderEvent' });
    await target.send(CONTRACT_REQUEST);
    const { started, signals } = await historyOf(workflowId);
    expect({ started, signals: signals.length }).toEqual({ started: [[]], signals: 1 });
    await client.workflow.getHandle(workflowId).terminate();

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });

    expect((await historyOf(workflowId)).signals).toHaveLength(1);
  });
});

describe('what Temporal says', () => {
  it('of a namespace that it does not know is final', async () => {
    const elsewhere = new Client({ connection, namespace: 'nowhere' });

    expect(await open({ workflowId: 'a' }, () => elsewhere).send(CONTRACT_REQUEST)).toMatchObject({
      kind: 'dead',
      code: 'not_found',
    });
  });

  it.each<[number, Partial<SendOutcome>]>([
    [3, { kind: 'dead', code: 'invalid_argument' }],
    [4, { kind: 'retry', code: 'timeout' }],
    [7, { kind: 'dead', code: 'access_denied' }],
    [8, { kind: 'retry', code: 'throttled' }],
    [14, { kind: 'retry', code: 'temporal_unavailable' }],
    [16, { kind: 'dead', code: 'access_denied' }],
  ])('with the code %i is %j, without the words of the error', (code, outcome) => {
    const cause = Object.assign(new Error('very secret'), { code });
    const told = outcomeOfTemporalFailure(new Error('failed to start: very secret', { cause }), 7);

    expect(told).toMatchObject({ ...outcome, status: null, latencyMs: 7 });
    expect(JSON.stringify(told)).not.toContain('very secret');
  });

  it('of our own making is a bug, not an outcome', async () => {
    const broken = (): Client => {
      throw new TypeError('no client');
    };

    await expect(open({ workflowId: 'a' }, broken).send(CONTRACT_REQUEST)).rejects.toThrow(TypeError);
  });
});

describe('an ordering key from outside', () => {
  it.each(['order/1', 'deliver/ord_1', 'reconcile-light', 'temporal-sys-scheduler:x'])(
    'cannot reach a workflow of the service: %s',
    async (orderingKey) => {
      const target = open({ workflowId: '<ordering-key>', signal: 'parkedStepResolved' });

      expect(await target.send({ ...CONTRACT_REQUEST, orderingKey })).toMatchObject({
        kind: 'dead',
        code: 'workflow_id_refused',
      });
    },
  );

  it('is not read as a template', () => {
    const config = parseWorkflowTargetConfig({ ...SETTINGS, workflowId: '<ordering-key>:<event.id>' });

    expect(workflowIdOf(config, { ...CONTRACT_REQUEST, orderingKey: "$&$'<ordering-key>" })).toBe(
      `$&$'<ordering-key>:${CONTRACT_EVENT.id}`,
    );
  });
});

describe('the settings', () => {
  const valid = { ...SETTINGS, workflowId: 'billing-<ordering-key>' };

  function pointersOfRefusal(config: object): string[] {
    try {
      parseWorkflowTargetConfig(config);
    } catch (error) {
      if (error instanceof InvalidTargetError) return error.fields.map(({ pointer }) => pointer);
      throw error;
    }
    return [];
  }

  it('are kept with their defaults', () => {
    const { workflowType, taskQueue, workflowId } = valid;

    expect(parseWorkflowTargetConfig({ workflowType, taskQueue, workflowId, signal: 'done' })).toEqual({
      workflowType,
      taskQueue,
      workflowId,
      signal: 'done',
      timeoutMs: 5_000,
    });
  });

  it.each<[object, string[]]>([
    [{}, ['/workflowType', '/taskQueue', '/workflowId']],
    [{ ...valid, workflowId: 'a-<order>' }, ['/workflowId']],
    [{ ...valid, workflowId: 'a-<event.id' }, ['/workflowId']],
    [{ ...valid, workflowId: 'é' }, ['/workflowId']],
    [{ ...valid, workflowType: '__temporal_x' }, ['/workflowType']],
    [{ ...valid, taskQueue: '' }, ['/taskQueue']],
    [{ ...valid, signal: '__stack_trace' }, ['/signal']],
    [{ ...valid, timeoutMs: 30_001, url: 'x' }, ['/url', '/timeoutMs']],
  ])('are refused: %j', (config, pointers) => {
    expect(pointersOfRefusal(config)).toEqual(pointers);
  });

  it('name nothing that the service runs itself', () => {
    for (const taskQueue of Object.values(TASK_QUEUES)) {
      expect(pointersOfRefusal({ ...valid, taskQueue })).toEqual(['/taskQueue']);
    }
    for (const workflowType of Object.values(WORKFLOW_TYPES)) {
      expect(pointersOfRefusal({ ...valid, workflowType })).toEqual(['/workflowType']);
    }
    for (const id of Object.values(workflowIds)) {
      const workflowId = (id as (input: unknown) => string)({
        rule: 'a',
        target: 'b',
        testId: 'c',
        until: 0,
      });
      expect(pointersOfRefusal({ ...valid, workflowId: workflowId.replace('[object Object]', 'x') })).toEqual(
        ['/workflowId'],
      );
    }
  });
});
