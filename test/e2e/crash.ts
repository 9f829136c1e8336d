import type { FaultProxy } from '../chaos/fault-proxy';
import { waitFor } from '../support/wait';
import type { Stack } from './stack';

/** kill -9, and nothing that was under way arrives any more. Then a new worker, on links that work. */
export async function crashWorker(
  stack: Stack,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const names = Object.keys(stack.links) as (keyof typeof stack.links)[];
  const links = names.filter((name) => name.startsWith('worker')).map((name) => stack.links[name]);
  await stack.killWorker();
  for (const link of links) link.cut();
  try {
    await meanwhile();
  } finally {
    // Whatever was expected meanwhile: the tests that follow need a worker.
    for (const link of links) await link.heal();
    await stack.startWorker();
  }
}

/** What only the commit of this order sends: the beginning of its row. */
export const commitOf = (orderId: string): string => `"order_id":"${orderId}","caller"`;

/** Resolves once all of these texts go up a link together; `strike` acts before they go on. */
export function whenSent(
  link: FaultProxy,
  texts: readonly string[],
  strike: () => void,
): () => Promise<true> {
  let sent = false;
  link.onBytes = (direction, bytes) => {
    if (sent || direction !== 'up' || !texts.every((text) => bytes.includes(text))) return;
    sent = true;
    strike();
  };
  return () => waitFor(`${texts.join(', ')} is sent`, () => sent);
}
