const DEADLINE_MS = 30_000;
const POLL_MS = 20;

/**
 * Asks until there is an answer. Nothing in the tests waits for a time instead.
 * @param what - for the message, for instance "the order is CONFIRMED"
 * @param condition - undefined, null or false mean not yet; what it throws means so too and is told at the end
 * @throws Error that names what was waited for, after `deadlineMs` (default 30,000)
 */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  options: { deadlineMs?: number; describe?: () => Promise<string> | string } = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    let last = '';
    try {
      const answer = await condition();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
    } catch (error) {
      last = ` (${error instanceof Error ? error.message : String(error)})`;
    }
    if (performance.now() > deadline) {
      const more = (await options.describe?.()) ?? '';
      throw new Error(`Not within ${deadlineMs / 1_000} s: ${what}${last}\n${more}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
