import { ApplicationFailure, CancellationScope, sleep, TemporalFailure } from '@temporalio/workflow';
import { attempt, codeOf, isDefinite, type Refusal, type StepResult } from './step-results';

/** Waits between tries of an undo whose own activity gave up: 1 s, 2 s, 4 s … */
const FIRST_WAIT_MS = 1_000;
/** At an hour a try, some ten events each, a history (51,200 events at most) has room for half a year. */
const LONGEST_WAIT_MS = 3_600_000;

/** What an operator decided about an undo that repeating cannot mend. */
export type ParkDecision = 'retry' | 'skip' | 'fail';

/**
 * Puts an undo where an operator sees it, and resolves with the decision: `retry` tries it again, `skip` goes on as if
 * it had been done by hand, `fail` gives it up.
 * @param reason - the type of the failure, such as `account_closed`
 */
export type Park = (name: string, reason: string) => Promise<ParkDecision>;

/**
 * The undo side of a saga. An undo is added before its step, because a step that timed out may still have happened; so
 * every undo must be safe when there is nothing to undo, and must then keep a late step from happening (a fence).
 */
export interface Compensations {
  /** @throws RangeError once `run` was called: what is added then would never be undone */
  add(name: string, undo: () => Promise<unknown>): void;
  /** Adds the undo, then carries the step out as `attempt` does. */
  step<T>(
    name: string,
    work: { do: () => Promise<T>; undo: () => Promise<unknown> },
  ): Promise<StepResult<Exclude<T, Refusal>>>;
  /**
   * Runs what was added, last in first out, one after the other, whatever is cancelled meanwhile. Each undo is tried
   * until it ends; one that repeating cannot mend is parked, or given up where there is no `park`. The others are run
   * all the same. A second call gets the promise of the first.
   * @throws ApplicationFailure (`compensation_failed`, not retryable) in the end, with the names of those given up
   */
  run(): Promise<void>;
}

interface Undo {
  name: string;
  undo: () => Promise<unknown>;
}

export function createCompensations({ park }: { park?: Park } = {}): Compensations {
  const undos: Undo[] = [];
  let running: Promise<void> | undefined;
  const add: Compensations['add'] = (name, undo) => {
    if (running !== undefined) throw new RangeError(`"${name}" comes too late: the compensations have begun`);
    undos.push({ name, undo });
  };
  return {
    add,
    step(name, { do: work, undo }) {
      add(name, undo);
      return attempt(work);
    },
    run() {
      running ??= CancellationScope.nonCancellable(() => undoAll(undos, park));
      return running;
    },
  };
}

async function undoAll(undos: readonly Undo[], park: Park | undefined): Promise<void> {
  const givenUp: { name: string; cause: TemporalFailure }[] = [];
  for (const one of undos.toReversed()) {
    const cause = await carryOut(one, park);
    if (cause !== null) givenUp.push({ name: one.name, cause });
  }
  if (givenUp.length === 0) return;
  const names = givenUp.map(({ name }) => name);
  const message = `not undone: ${names.join(', ')}`;
  const { cause } = givenUp[0]!;
  throw ApplicationFailure.create({
    message,
    type: 'compensation_failed',
    nonRetryable: true,
    details: [names],
    cause,
  });
}

/** @returns why the undo was given up, or null when it is done or was done by hand */
async function carryOut({ name, undo }: Undo, park: Park | undefined): Promise<TemporalFailure | null> {
  for (let tries = 0; ; tries += 1) {
    try {
      await undo();
      return null;
    } catch (error) {
      if (!(error instanceof TemporalFailure)) throw error;
      if (!isDefinite(error)) {
        await sleep(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tries));
        continue;
      }
      const decision = (await park?.(name, codeOf(error))) ?? 'fail';
      if (decision !== 'retry') return decision === 'fail' ? error : null;
    }
  }
}
