import { randomBytes } from 'node:crypto';
import { Client as DatabaseClient } from 'pg';
import { WORKFLOW_TYPES } from '../../src/workflows/messages';
import { check, readLogs, type Violation } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { PHONE_CANARY, startStack, type Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { ambiguousOrders, countAccepted, firstMessages, lostReports, readAttempts } from './figures';
import type { PlannedFault } from './plan';
import { processorTimeOf } from './processor-time';
import { BACKLOG_DEADLINE_MS, CALLER, keyOf, prepareSends, sendAll, type Sends } from './sending';
import type { RunFigures } from './table';

/** Settings of the product in every run, shorter than its own; the defaults stand behind each. */
const SETTINGS = {
  // 10 s. Long enough that two busy cores never make a call ambiguous that was not planned to be.
  AFTERCOMMIT_TWILIO_TIMEOUT_MS: '5000',
  // 30 s
  AFTERCOMMIT_NOTIFY_FIRST_LOOK_UP_MS: '1000',
  // 60 s
  AFTERCOMMIT_NOTIFY_SECOND_LOOK_UP_MS: '2000',
  // 10 min
  AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS: '20000',
  // 600 s
  AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'sms=30',
};

/** One run of the campaign. */
export interface RunPlan {
  name: string;
  sends: number;
  faults: ReadonlyMap<number, PlannedFault>;
  /** How the provider behaves all the time: its control document. */
  provider: object;
  /** No report arrives on the messages of ambiguous calls. They are sent first, because reports are lost by time. */
  losesReports: boolean;
}

export interface RunOutcome {
  figures: RunFigures;
  violations: Violation[];
  /** Orders whose call was to be ambiguous, and those whose was. Sorted. */
  planned: string[];
  ambiguous: string[];
}

/** Makes all sends of a run on a system of its own and waits until nothing is under way any more. */
export async function runSends(plan: RunPlan): Promise<RunOutcome> {
  const secretsKey = randomBytes(32);
  const stack = await startStack({
    settings: { ...SETTINGS, AFTERCOMMIT_SECRETS_KEY: secretsKey.toString('base64') },
  });
  try {
    const { sends: count, faults, provider, name } = plan;
    const sends = await prepareSends({ stack, sends: count, faults, secretsKey });
    await controlFake(stack.fakeUrls.twilio, provider);
    const before = processorTimeOf(stack);
    await sendInOrder(plan, sends);
    await untilAtRest(stack, count);
    const after = processorTimeOf(stack);

    const figures: RunFigures = {
      name,
      sends: count,
      count: await countAccepted(stack, sends.orderIds),
      attempts: await readAttempts(stack),
      processorMs: {
        worker: after.worker - before.worker,
        temporal: after.temporal - before.temporal,
      },
    };
    return {
      figures,
      violations: await violationsOf(stack, plan, figures),
      planned: [...faults.keys()].map((send) => sends.orderIds[send]!).sort(),
      ambiguous: (await ambiguousOrders(stack)).sort(),
    };
  } finally {
    await stack.stop();
  }
}

async function sendInOrder({ faults, losesReports }: RunPlan, sends: Sends): Promise<void> {
  const { stack, orderIds } = sends;
  const all = [...orderIds.keys()];
  if (!losesReports) return sendAll(sends, all);
  const { twilio } = stack.fakeUrls;
  await controlFake(twilio, { callbacks: { lose: true } });
  await sendAll(
    sends,
    all.filter((send) => faults.has(send)),
  );
  const accepted = [...faults].filter(([, { isAccepted }]) => isAccepted).map(([send]) => orderIds[send]!);
  await waitFor(
    'the reports on ambiguous calls are lost',
    () => {
      const lost = lostReports(stack);
      const first = firstMessages(stack);
      return accepted.every((orderId) => lost.has(first.get(orderId) ?? 'none'));
    },
    { deadlineMs: BACKLOG_DEADLINE_MS },
  );
  await controlFake(twilio, { callbacks: {} });
  return sendAll(
    sends,
    all.filter((send) => !faults.has(send)),
  );
}

/** Nearly all is sent by then. What is left are the waits for silence and the late look-up, and a slow machine. */
const restDeadlineMs = (sends: number): number => sends * 100 + 180_000;

/** Cheapest question first: all are asked again and again beside the work. */
const IS_BUSY = `
  select exists (select 1 from aftercommit.notification_attempts where state in ('READY', 'SENDING', 'AMBIGUOUS'))
      or exists (select 1 from aftercommit.notifications where status = 'PENDING')
      or exists (select 1 from aftercommit.outbox where routed_at is null)
      or exists (select 1 from aftercommit.notification_attempts where error_code = 'not_found_at_provider' and look_ups < 3) as busy`;
const RUNNING = `ExecutionStatus = 'Running' and WorkflowType in ('${WORKFLOW_TYPES.delivery}', '${WORKFLOW_TYPES.notification}')`;

async function untilAtRest({ database, temporal }: Stack, sends: number): Promise<void> {
  await waitFor(
    'every message is at its end, what was given up was looked for once more, and no workflow runs',
    async () => {
      const { rows } = await database.pool.query<{ busy: boolean }>(IS_BUSY);
      return !rows[0]!.busy && (await temporal.workflow.count(RUNNING)).count === 0;
    },
    { deadlineMs: restDeadlineMs(sends) },
  );
}

/** The invariants of the whole product on this run, with the keys of orders that did not come over HTTP. */
async function violationsOf(stack: Stack, plan: RunPlan, figures: RunFigures): Promise<Violation[]> {
  const client = new DatabaseClient({ connectionString: stack.database.url });
  await client.connect();
  const { logFiles } = stack;
  const struck = figures.count.faults;
  const actions = new Set([...plan.faults.values()].map(({ action }) => action));
  try {
    return await check({
      database: client,
      ...readLogs(logFiles),
      keys: Array.from({ length: plan.sends }, (_, send) => ({ caller: CALLER, key: keyOf(send) })),
      canary: PHONE_CANARY,
      texts: [
        { name: 'a history', text: await stack.histories() },
        { name: 'a log', text: stack.processLogs() },
      ],
      counts: {
        planned: plan.sends,
        attempted: plan.sends,
        succeeded: figures.attempts.delivered,
        faults: Object.fromEntries([...actions].map((action) => [action, struck[action] ?? 0])),
      },
    });
  } finally {
    await client.end();
  }
}
