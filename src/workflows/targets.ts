import type { TestOutcome } from '../activities/target-tests';
import type { TargetTestInput } from './messages';
import { testTarget } from './steps';

/** Sends one test event to a target, from where deliveries are sent. `test/{target}/{id}`. */
export async function targetTestWorkflow(input: TargetTestInput): Promise<TestOutcome> {
  return testTarget(input);
}
