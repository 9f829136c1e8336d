import {
  ActivityCancellationType,
  condition,
  defineQuery,
  defineSignal,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import { attempt, createCompensations, type ParkDecision, type StepResult } from 'aftercommit/saga';

/** A saga whose steps do what the test told the activities to do. */

export interface StepInput {
  sagaId: string;
  name: string;
}

export interface SagaActivities {
  doIt(step: StepInput): Promise<unknown>;
  undoIt(step: StepInput): Promise<unknown>;
}

export interface SagaInput {
  sagaId: string;
  steps: string[];
  /** There is somebody who decides about undos that repeating cannot mend. */
  parks?: boolean;
}

const { doIt } = proxyActivities<SagaActivities>({
  startToCloseTimeout: '1s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { maximumAttempts: 2, initialInterval: '10ms' },
});
/** Bounded, so that the kit's own repeats are seen. */
const { undoIt } = proxyActivities<SagaActivities>({
  startToCloseTimeout: '20s',
  retry: { maximumAttempts: 2, initialInterval: '10ms' },
});

export const decided = defineSignal<[ParkDecision]>('decided');
export const parkedUndos = defineQuery<string[]>('parkedUndos');

/** Carries the steps out until one is not done, and then undoes all of them. */
export async function sagaWorkflow({ sagaId, steps, parks }: SagaInput): Promise<StepResult<unknown>[]> {
  const parked: string[] = [];
  const decisions: ParkDecision[] = [];
  setHandler(parkedUndos, () => parked);
  setHandler(decided, (decision) => void decisions.push(decision));
  const park = async (name: string, reason: string): Promise<ParkDecision> => {
    parked.push(`${name}: ${reason}`);
    await condition(() => decisions.length > 0);
    return decisions.shift()!;
  };

  const compensations = createCompensations(parks === true ? { park } : {});
  const results: StepResult<unknown>[] = [];
  for (const name of steps) {
    const work = { do: () => doIt({ sagaId, name }), undo: () => undoIt({ sagaId, name }) };
    const result = await compensations.step(name, work);
    results.push(result);
    if (result.kind !== 'done') {
      await compensations.run();
      break;
    }
  }
  return results;
}

/** One step by itself. */
export function attemptWorkflow({ sagaId, name }: StepInput): Promise<StepResult<unknown>> {
  return attempt(() => doIt({ sagaId, name }));
}

/** What comes after `run`. */
export async function lateWorkflow(): Promise<string> {
  const compensations = createCompensations();
  const first = compensations.run();
  if (first !== compensations.run()) throw new Error('a second run is the first one');
  await first;
  try {
    compensations.add('late', () => Promise.resolve());
    return 'added';
  } catch (error) {
    return (error as Error).name;
  }
}
