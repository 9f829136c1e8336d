import { randomInt } from 'node:crypto';
import { planFaults } from './plan';
import { runSends, type RunOutcome, type RunPlan } from './run';
import { tableOf, type RunFigures } from './table';

/**
 * How many messages people get when the provider's answers are lost: counted by the provider's own log.
 * NOTIFY_SENDS shortens a try, NOTIFY_SEED repeats one.
 */
const SENDS = Number(process.env['NOTIFY_SENDS'] ?? 10_000);
const SEED = Number(process.env['NOTIFY_SEED'] ?? randomInt(2 ** 31));
/** Source: the figures that this product promises to measure. Even, so that half of them are accepted. */
const AMBIGUOUS = 2 * Math.max(1, Math.round((SENDS * 0.05) / 2));

/**
 * The first look-up comes 1 s after the call at the earliest and the second one 2 s after the first: a list that lags by
 * less than 3 s shows the message in time.
 */
const LIST_LAG_MS = 1_500;
/** Between the look-up window and the late look-up, which comes 20 s after it. */
const LONG_LIST_LAG_MS = 15_000;
/** Later than the second look-up of a call that was answered badly, and before the time-out of one that was not answered. */
const CALLBACK_DELAY_MS = 4_000;

const finished: RunFigures[] = [];

async function run(plan: Omit<RunPlan, 'sends'>): Promise<RunOutcome> {
  const outcome = await runSends({ ...plan, sends: SENDS });
  finished.push(outcome.figures);
  // At once, beside Jest's own output: a run takes minutes, and the ones before must not be lost with a later one.
  process.stderr.write(`NOTIFY_SEED=${SEED}\n${tableOf([outcome.figures])}\n`);
  return outcome;
}

const faults = planFaults({ sends: SENDS, ambiguous: AMBIGUOUS, seed: SEED });

afterAll(() => {
  console.log(`NOTIFY_SEED=${SEED}\n\n${tableOf(finished)}`);
});

it('without an ambiguous answer everybody is told exactly once', async () => {
  const { figures, violations, ambiguous } = await run({
    name: 'no ambiguity',
    faults: new Map(),
    provider: {},
    losesReports: false,
  });

  expect(ambiguous).toEqual([]);
  expect(figures.count).toEqual({
    accepted: SENDS,
    owned: SENDS,
    unowned: 0,
    duplicates: 0,
    untold: 0,
    faults: {},
  });
  expect(figures.attempts).toMatchObject({ delivered: SENDS, givenUp: 0 });
  expect(violations).toEqual([]);
});

it('ambiguous answers make no duplicate when the list shows a message within the look-ups', async () => {
  const { figures, violations, planned, ambiguous } = await run({
    name: '5 % ambiguous, list in time',
    faults,
    provider: { listLagMs: LIST_LAG_MS, callbacks: { delayMs: CALLBACK_DELAY_MS } },
    losesReports: false,
  });
  const { count, attempts } = figures;

  expect(ambiguous).toEqual(planned);
  expect(sumOf(count.faults)).toBe(AMBIGUOUS);
  expect(count).toMatchObject({ accepted: SENDS, owned: SENDS, unowned: 0, duplicates: 0, untold: 0 });
  // What was accepted was found, in both ways that there are; what was not was sent again.
  expect(attempts).toMatchObject({
    resend: AMBIGUOUS / 2,
    givenUp: AMBIGUOUS / 2,
    open: 0,
    delivered: SENDS,
  });
  expect(attempts.callback).toBeGreaterThan(0);
  expect(attempts.lookUp).toBeGreaterThan(0);
  expect(attempts.callback + attempts.lookUp).toBe(AMBIGUOUS / 2);
  expect(violations).toEqual([]);
});

it('a list that lags for longer makes no more duplicates than messages it did not show, and all are owned', async () => {
  const { figures, violations, planned, ambiguous } = await run({
    name: '5 % ambiguous, list too late',
    faults,
    provider: { listLagMs: LONG_LIST_LAG_MS },
    losesReports: true,
  });
  const { count, attempts } = figures;

  expect(ambiguous).toEqual(planned);
  expect(sumOf(count.faults)).toBe(AMBIGUOUS);
  expect(count).toMatchObject({ accepted: SENDS + count.duplicates, unowned: 0, untold: 0 });
  expect(count.duplicates).toBeLessThanOrEqual(attempts.givenUp);
  // Or the list was not late at all.
  expect(count.duplicates).toBeGreaterThan(0);
  expect(attempts.lateLookUp).toBe(count.duplicates);
  expect(attempts).toMatchObject({ callback: 0, resend: AMBIGUOUS / 2, open: 0, delivered: SENDS });
  expect(violations).toEqual([]);
});

function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
