import type { FaultProxy } from '../chaos/fault-proxy';
import { whenSent } from '../e2e/crash';
import { waitFor } from '../support/wait';
import type { Life, LifeRig } from './life-rig';

/** Sets a trap for the worker; what it returns resolves once the worker stands in it. */
export type Trap = (rig: LifeRig, life: Life) => () => Promise<unknown>;

type WorkerLink = 'workerDatabase' | 'workerPayments' | 'workerCarrier' | 'workerPoints' | 'workerCart';
type TextsOf = (life: Life) => readonly string[];
type Check = (rig: LifeRig, life: Life) => Promise<boolean> | boolean;

/** What it is about to send is held. */
export const heldBack =
  (link: WorkerLink, textsOf: TextsOf): Trap =>
  ({ stack }, life) =>
    whenSent(stack.links[link], textsOf(life), () => stack.links[link].freeze('up'));

/** What it sent has arrived and done its work, and the answer is held. */
export const unanswered =
  (link: WorkerLink, textsOf: TextsOf, what: string, isDone: Check): Trap =>
  (rig, life) => {
    const sent = whenSent(rig.stack.links[link], textsOf(life), () => rig.stack.links[link].freeze('down'));
    return async () => {
      await sent();
      await waitFor(what, () => isDone(rig, life));
    };
  };

/** What it sends to the database is stored, and nothing of it is told to Temporal. */
export const unreported =
  (textsOf: TextsOf, what: string, isStored: Check): Trap =>
  (rig, life) => {
    const { workerDatabase, workerTemporal } = rig.stack.links;
    const sent = whenSent(workerDatabase, textsOf(life), () => workerTemporal.freeze('up'));
    return async () => {
      await sent();
      await waitFor(what, () => isStored(rig, life));
    };
  };

/**
 * All statements of a transaction were carried out, and its COMMIT is held.
 * @param lastOf - what the last statement has in it
 */
export const beforeCommit =
  (lastOf: TextsOf): Trap =>
  (rig, life) => {
    const held = heldAfter(rig.stack.links.workerDatabase, lastOf(life), 'commit');
    return async () => {
      await held();
      await waitFor('the transaction is open, with nothing left but its COMMIT', async () => {
        const row = await rig.row<{ count: number }>(
          `select count(*)::int as count from pg_stat_activity
           where datname = current_database() and state = 'idle in transaction' and query like $1`,
          `%${lastOf(life)[0]}%`,
        );
        return row?.count === 1;
      });
    };
  };

/** Freezes what goes up the link from `text` on, once something with all of `first` went before it. */
function heldAfter(link: FaultProxy, first: readonly string[], text: string): () => Promise<true> {
  let isFirstSent = false;
  let isHeld = false;
  link.onBytes = (direction, bytes) => {
    if (isHeld || direction !== 'up') return;
    if (!isFirstSent) isFirstSent = first.every((one) => bytes.includes(one));
    else if (bytes.includes(text)) {
      isHeld = true;
      link.freeze('up');
    }
  };
  return () => waitFor(`${text} is sent`, () => isHeld);
}
