import { untilResolved } from '../../src/workflows/parked';

/** Parks several steps of one run at once, and tells what was decided about each. */
export async function parksSeveral(input: {
  orderId: string;
  steps: string[];
}): Promise<Record<string, string>> {
  const { orderId, steps } = input;
  const decided = await Promise.all(
    steps.map(async (step) => [step, await untilResolved({ orderId, step, reason: 'test' })]),
  );
  return Object.fromEntries(decided) as Record<string, string>;
}

/** Parks one step as often as it is to be tried again, and tells what was decided each time. */
export async function parksAgain({ orderId, step }: { orderId: string; step: string }): Promise<string[]> {
  const decided: string[] = [];
  for (;;) {
    const decision = await untilResolved({ orderId, step, reason: 'test' });
    decided.push(decision);
    if (decision !== 'retry') return decided;
  }
}
