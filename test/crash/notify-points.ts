import { readLog } from '../chaos/checker';
import { whenSent } from '../e2e/crash';
import type { Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';

/**
 * Where a worker is killed while it tells somebody. Source of the points: reliability, section 5. Everything is held on
 * the worker's own links, so that the rest of the system goes on.
 */
export type Point = 'N1' | 'N2' | 'N3' | 'N4' | 'N5' | 'N6';

/** The attempt that a worker is about to make. */
export interface Attempt {
  attemptId: string;
  notificationId: string;
  orderId: string;
  phone: string;
  /** First attempts are made by the order's grouped delivery step, all others by the notification's own workflow. */
  activity: 'deliverEvents' | 'continueNotification';
}

/** Sets a trap; what it returns resolves once the worker stands in it. */
export type Trap = (stack: Stack, attempt: Attempt) => () => Promise<unknown>;

const CLAIM = 'sends = sends + 1';
const STORE = "set state = 'ACCEPTED', message_sid = $2, latency_ms";
const BEGIN = 'set in_workflow = $2';

/** What the statement that claims the attempt has in it. */
export function claimOf({ activity, orderId, attemptId }: Attempt): readonly string[] {
  return [CLAIM, activity === 'deliverEvents' ? orderId : attemptId];
}

/** What the first statement of the activity about the attempt has in it. */
export function beginOf(attempt: Attempt): readonly string[] {
  return attempt.activity === 'deliverEvents' ? claimOf(attempt) : [BEGIN, attempt.notificationId];
}

/** The stored attempt; undefined before it is there. */
export async function rowOf(
  stack: Stack,
  { attemptId }: Pick<Attempt, 'attemptId'>,
): Promise<{ state: string; latency_ms: number | null; look_ups: number } | undefined> {
  const { rows } = await stack.database.pool.query<{
    state: string;
    latency_ms: number | null;
    look_ups: number;
  }>('select state, latency_ms, look_ups from aftercommit.notification_attempts where attempt_id = $1', [
    attemptId,
  ]);
  return rows[0];
}

/** Sids of the messages that the provider accepted of this attempt. */
export function acceptedOf(stack: Stack, { attemptId }: Pick<Attempt, 'attemptId'>): string[] {
  return readLog(stack.logFiles.twilio)
    .filter((entry) => entry.type === 'accepted' && String(entry['statusCallback']).includes(attemptId))
    .map((entry) => String(entry['sid']));
}

/** Passes once the worker has got bytes down this link since now. */
function untilAnswered(link: { passed(direction: 'down'): number }): () => Promise<true> {
  const before = link.passed('down');
  return () => waitFor('the worker has the answer', () => link.passed('down') > before);
}

const beforeClaim: Trap = ({ links: { workerDatabase } }, attempt) =>
  whenSent(workerDatabase, claimOf(attempt), () => workerDatabase.freeze('up'));

const claimed: Trap = (stack, attempt) => {
  const { workerDatabase } = stack.links;
  const sent = whenSent(workerDatabase, claimOf(attempt), () => workerDatabase.freeze('down'));
  return async () => {
    await sent();
    await waitFor('the claim is committed', async () => (await rowOf(stack, attempt))?.state === 'SENDING', {
      describe: async () => JSON.stringify(await rowOf(stack, attempt)),
    });
  };
};

const requestWritten: Trap = (stack, attempt) => {
  const { workerTwilio } = stack.links;
  const sent = whenSent(workerTwilio, [attempt.attemptId], () => workerTwilio.freeze('down'));
  return async () => {
    await sent();
    await waitFor('the provider has accepted it', () => acceptedOf(stack, attempt).length === 1);
  };
};

const sidReceived: Trap = ({ links: { workerTwilio, workerDatabase } }, attempt) => {
  let answered = (): Promise<unknown> => Promise.resolve();
  const sent = whenSent(workerTwilio, [attempt.attemptId], () => {
    workerDatabase.freeze('up');
    answered = untilAnswered(workerTwilio);
  });
  return async () => {
    await sent();
    await answered();
  };
};

const stored: Trap = (stack, attempt) => {
  const { workerDatabase, workerTemporal } = stack.links;
  const sent = whenSent(workerDatabase, [STORE, attempt.attemptId], () => workerTemporal.freeze('up'));
  return async () => {
    await sent();
    // A callback may have told the sid before; how long the call took is known to the worker alone.
    await waitFor('it is stored', async () => (await rowOf(stack, attempt))?.latency_ms != null);
  };
};

const lookedUp: Trap = ({ links: { workerTwilio, workerDatabase } }, { phone }) => {
  let answered = (): Promise<unknown> => Promise.resolve();
  const sent = whenSent(workerTwilio, ['GET ', phone.slice(1)], () => {
    workerDatabase.freeze('up');
    answered = untilAnswered(workerTwilio);
  });
  return async () => {
    await sent();
    await answered();
  };
};

/** The activity begins once more, and nothing of it is told to Temporal. */
const unreported: Trap = (stack, attempt) => {
  const { workerDatabase, workerTemporal } = stack.links;
  const sent = whenSent(workerDatabase, beginOf(attempt), () => workerTemporal.freeze('up'));
  return async () => {
    await sent();
    if (attempt.activity === 'deliverEvents') return;
    const isSettled = async (): Promise<boolean> => (await rowOf(stack, attempt))?.state !== 'SENDING';
    await waitFor('the outcome is known, or known to be unknown', isSettled);
  };
};

/** N1: the claim is about to be sent. N2: it is committed, the provider not called. N6: the list is read, nothing stored. */
export const TRAPS: Readonly<Record<Point, Trap>> = {
  N1: beforeClaim,
  N2: claimed,
  N3: requestWritten,
  N4: sidReceived,
  N5: stored,
  N6: lookedUp,
};

/**
 * For the kill of the second execution. It comes to N1 and N6 again. It never comes to the others, because nobody claims
 * the attempt twice: it is killed with what it did instead, unreported.
 */
export const TRAPS_AGAIN: Readonly<Record<Point, Trap>> = {
  ...TRAPS,
  N2: unreported,
  N3: unreported,
  N4: unreported,
  N5: unreported,
};
