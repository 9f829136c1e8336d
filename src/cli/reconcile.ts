import { randomUUID } from 'node:crypto';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { processEnvironment, readConfig, type Config } from '../config';
import { readReconciliation, type ReconciliationView } from '../database/reconciliation-views';
import { ConfigError } from '../errors';
import { EXIT } from '../main';
import { openServices, temporalConnection } from '../services';
import { setUpTemporal } from '../setup';
import { TASK_QUEUES, WORKFLOW_TYPES, workflowIds, type ReconciliationInput } from '../workflows/messages';

/** Longer than a full run over millions of orders; the run itself goes on without whoever waits for it. */
const WAIT_MS = 6 * 60 * 60 * 1_000;

/** `aftercommit reconcile`. @returns the exit code */
export async function reconcile(args: string[]): Promise<number> {
  const { kind = 'full', ...how } = parse(args, { kind: { type: 'string' } });
  if (kind !== 'light' && kind !== 'full') throw new ConfigError('--kind is light or full.');
  return run(readConfig(processEnvironment()), { ...how, kind });
}

/** `aftercommit orders rebuild`. @returns the exit code */
export async function rebuildOrders(args: string[]): Promise<number> {
  const how = parse(args, {});
  const config = readConfig(processEnvironment());
  // A Temporal that lost its data has lost the namespace and the schedules with it.
  for (const line of await setUpTemporal(config)) process.stderr.write(`${line}\n`);
  return run(config, { ...how, kind: 'rebuild' });
}

interface How {
  dryRun: boolean;
  json: boolean;
}

function parse(args: string[], more: NonNullable<ParseArgsConfig['options']>): How & { kind?: string } {
  const options = { ...more, 'dry-run': { type: 'boolean' }, json: { type: 'boolean' } } as const;
  try {
    const values = parseArgs({ args, options }).values as Record<string, string | boolean | undefined>;
    const { kind } = values;
    return {
      dryRun: values['dry-run'] === true,
      json: values['json'] === true,
      ...(typeof kind === 'string' ? { kind } : {}),
    };
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error));
  }
}

/** Begins the run by its workflow, which the workers carry out, and waits for its report. */
async function run(
  config: Config,
  { json, ...how }: How & Pick<ReconciliationInput, 'kind'>,
): Promise<number> {
  const reconciliationId = randomUUID();
  const input: ReconciliationInput = { ...how, reconciliationId, actor: 'cli' };
  const connection = await Connection.connect(temporalConnection(config));
  const services = openServices(config, 'aftercommit-cli');
  try {
    const client = new Client({ connection, namespace: config.temporal.namespace });
    process.stderr.write(`Reconciliation ${reconciliationId}: waiting for the workers.\n`);
    await client.withDeadline(Date.now() + WAIT_MS, () =>
      client.workflow.execute(WORKFLOW_TYPES.reconciliation, {
        workflowId: workflowIds.reconciliation(reconciliationId),
        taskQueue: TASK_QUEUES.maintenance,
        args: [input],
        staticSummary: `${how.kind} reconciliation${how.dryRun ? ', dry run' : ''}`,
      }),
    );
    const report = await readReconciliation(services.pool, reconciliationId);
    if (report === null) throw new RangeError('a run that has ended has a report');
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
    return exitCodeOf(report);
  } finally {
    await services.close();
    await connection.close();
  }
}

function exitCodeOf({ state, detectors, unread }: ReconciliationView): number {
  if (state === 'REFUSED') return EXIT.refused;
  if (state !== 'COMPLETED') return EXIT.failure;
  const isOpen = Object.values(detectors).some(({ open, parked }) => open > 0 || parked > 0);
  return isOpen || unread.length > 0 ? EXIT.broken : EXIT.ok;
}

/** The report for people, on a terminal. */
function describe(report: ReconciliationView): string {
  const { kind, dryRun, state, found, detectors, unread, truncated, reconciliationId } = report;
  const head = `${kind} reconciliation${dryRun ? ' (dry run)' : ''} ${reconciliationId}: ${state}, ${found} found\n`;
  const names = Object.keys(detectors).sort();
  const width = Math.max(8, ...names.map((name) => name.length));
  const rows = names.map((name) => {
    const { found: n, repaired, parked, reported, open } = detectors[name as keyof typeof detectors]!;
    const numbers = [n, repaired, parked, reported, open].map((number) => String(number).padStart(9));
    return `${name.padEnd(width)}${numbers.join('')}`;
  });
  const title = ['found', 'repaired', 'parked', 'reported', 'open'].map((word) => word.padStart(9)).join('');
  const table = rows.length === 0 ? [] : [`${'detector'.padEnd(width)}${title}`, ...rows];
  const away = unread.map(({ source, code }) => `not looked at: ${source} (${code})`);
  const more = truncated.map((detector) => `more than one run takes: ${detector}`);
  return head + [...table, ...away, ...more].map((line) => `${line}\n`).join('');
}
