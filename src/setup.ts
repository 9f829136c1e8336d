import { Client, Connection, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import type { Config } from './config';
import { temporalConnection } from './services';
import {
  searchAttributes,
  TASK_QUEUES,
  WORKFLOW_TYPES,
  type ReconciliationInput,
} from './workflows/messages';

/** How long Temporal keeps closed runs, in days. PostgreSQL has what must last. */
const RETENTION_DAYS = 7;
/** ALREADY_EXISTS and NOT_FOUND of gRPC. */
const ALREADY_EXISTS = 6;
/** As Temporal's API numbers the kinds. */
export const INDEXED_VALUE_TYPES = { KEYWORD: 2, BOOL: 5 } as const;
/** A namespace that was just made is known to all of the server's parts some seconds later. */
const SETTLE_ATTEMPTS = 40;
const SETTLE_EVERY_MS = 500;

/** How often the light reconciliation looks for what nobody works on. */
const LIGHT_RECONCILIATION_EVERY = '5m';
/** How often everything is looked at: database, Temporal, gateway, carrier and messages against each other. */
const FULL_RECONCILIATION_EVERY = '1d';
/** How often what is older than its retention is removed. */
const PURGE_EVERY = '1d';

/**
 * Makes the namespace, the search attributes and the schedules. Safe to repeat and to run by several at once.
 * @returns a line about each, for people
 */
export async function setUpTemporal(config: Config): Promise<string[]> {
  const connection = await Connection.connect(temporalConnection(config));
  try {
    return [
      await makeNamespace(connection, config),
      await makeSearchAttributes(connection, config),
      await makeSchedules(connection, config),
    ];
  } finally {
    await connection.close();
  }
}

async function makeNamespace(connection: Connection, config: Config): Promise<string> {
  const { namespace } = config.temporal;
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs(`${RETENTION_DAYS} days`),
    });
    return `Namespace ${namespace}: made, closed runs are kept ${RETENTION_DAYS} days.`;
  } catch (error) {
    if ((error as { code?: number }).code !== ALREADY_EXISTS) throw error;
    return `Namespace ${namespace}: is there.`;
  }
}

async function makeSearchAttributes(connection: Connection, config: Config): Promise<string> {
  const { namespace } = config.temporal;
  const wanted = Object.fromEntries(
    Object.values(searchAttributes).map(({ name, type }) => [name, INDEXED_VALUE_TYPES[type]]),
  );
  return settling(async () => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.fromEntries(
      Object.entries(wanted).filter(([name]) => !(name in customAttributes)),
    );
    if (Object.keys(missing).length > 0) {
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: missing });
    }
    return `Search attributes: ${Object.keys(wanted).join(', ')}.`;
  });
}

/** What runs by itself. The workflow's id is the schedule's, with the time behind it. */
const SCHEDULES = [
  {
    scheduleId: 'reconcile-light',
    every: LIGHT_RECONCILIATION_EVERY,
    workflowType: WORKFLOW_TYPES.reconciliation,
    args: [{ kind: 'light', dryRun: false, actor: 'schedule' } satisfies ReconciliationInput],
  },
  {
    scheduleId: 'reconcile-full',
    every: FULL_RECONCILIATION_EVERY,
    workflowType: WORKFLOW_TYPES.reconciliation,
    args: [{ kind: 'full', dryRun: false, actor: 'schedule' } satisfies ReconciliationInput],
  },
  { scheduleId: 'purge-archive', every: PURGE_EVERY, workflowType: WORKFLOW_TYPES.purge, args: [] },
] as const;

async function makeSchedules(connection: Connection, config: Config): Promise<string> {
  const client = new Client({ connection, namespace: config.temporal.namespace });
  for (const { scheduleId, every, workflowType, args } of SCHEDULES) {
    try {
      await client.schedule.create({
        scheduleId,
        spec: { intervals: [{ every }] },
        // One that takes long is not overtaken by the next.
        policies: { overlap: ScheduleOverlapPolicy.SKIP },
        action: {
          type: 'startWorkflow',
          workflowType,
          taskQueue: TASK_QUEUES.maintenance,
          workflowId: scheduleId,
          args: [...args],
        },
      });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    }
  }
  return `Schedules: ${SCHEDULES.map(({ scheduleId, every }) => `${scheduleId} every ${every}`).join(', ')}.`;
}

/** Repeats while the server does not know a new namespace everywhere yet. */
async function settling<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= SETTLE_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_EVERY_MS));
    }
  }
}
