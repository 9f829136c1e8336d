import { attemptIdOf, eventIdOf, notificationIdOf } from '../../src/database/ids';
import { waitFor } from '../support/wait';
import type { FlashRig } from './flash-rig';

/**
 * Where a process of the flash lane is killed or held, by what it is about to send to the database; before its first attempt,
 * by the answer to its commit, which claims them, and which it does not get.
 */
export type FlashPoint = 'commit' | 'first attempt' | 'event record' | 'message record';

/** The template of what the customer of an order without payment is told. */
const CONFIRMED = 'order.confirmed';

/** What a dead process has claimed is taken over after 45 s. */
const TAKEN_OVER_MS = 90_000;

/** Only a commit stores an answer. */
const ANSWER = 'answer_body';
/** Only results of deliveries say this. */
const RESULT = 'asked_to_wait';

/** Whether the bytes are the statement that the process stands before. */
function isAt(point: FlashPoint, orderId: string, bytes: Buffer): boolean {
  const eventId = eventIdOf(orderId, CONFIRMED, 1);
  switch (point) {
    case 'commit':
    case 'first attempt':
      return bytes.includes(orderId) && bytes.includes(ANSWER);
    case 'event record':
      return bytes.includes(eventId) && bytes.includes(RESULT);
    case 'message record':
      return bytes.includes(messageOf(orderId)) && !bytes.includes(ANSWER);
  }
}

/** The first attempt of the order's message, when its customer is `cus_1`. */
function messageOf(orderId: string): string {
  return attemptIdOf(notificationIdOf(eventIdOf(orderId, CONFIRMED, 1), 'cus_1', CONFIRMED), 1);
}

/**
 * Holds the process before that statement about the order: nothing that it sends to the database arrives any more.
 * @param more - is to be in the statement too, such as a group's id
 * @returns resolves once it stands there
 */
export function heldBefore(
  rig: FlashRig,
  point: FlashPoint,
  orderId: string,
  more = '',
): () => Promise<true> {
  const { databaseLink } = rig;
  let isHeld = false;
  databaseLink.onBytes = (direction, bytes) => {
    if (isHeld || direction !== 'up' || !isAt(point, orderId, bytes) || !bytes.includes(more)) return;
    isHeld = true;
    databaseLink.freeze(point === 'first attempt' ? 'down' : 'up');
  };
  const isThere = async (): Promise<boolean> =>
    isHeld && (point !== 'first attempt' || (await rig.isCommitted(orderId)));
  return () => waitFor(`it stands before its ${point}`, isThere, { deadlineMs: TAKEN_OVER_MS });
}

/** The same before the claim of what is left of a group, by the group's workflow. */
export function heldBeforeClaimOf({ stack }: FlashRig, groupId: string): () => Promise<true> {
  const { workerDatabase } = stack.links;
  let isHeld = false;
  workerDatabase.onBytes = (direction, bytes) => {
    // The activity that claims is named after its workflow.
    if (isHeld || direction !== 'up' || !bytes.includes(`group/${groupId}:`)) return;
    isHeld = true;
    workerDatabase.freeze('up');
  };
  return () => waitFor('a claim for the group is sent', () => isHeld, { deadlineMs: TAKEN_OVER_MS });
}
