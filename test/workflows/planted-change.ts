import { orderWorkflow as unchanged, sleepBefore } from './planted-change-parts';

/** An order workflow that waits before it commits: the change that a replay must catch. */
export async function orderWorkflow(input: { orderId: string }): Promise<unknown> {
  await sleepBefore();
  return unchanged(input);
}
