import { condition, defineQuery, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import { createCompensations, type ParkDecision } from 'aftercommit/saga';
import type { TransferActivities } from './activities';

export interface Transfer {
  transferId: string;
  from: string;
  to: string;
  amountMinor: number;
}

export type TransferEnd =
  | { state: 'DONE' }
  /** Refused: said no. Unknown: nobody could say, so it was undone. */
  | { state: 'UNDONE'; because: 'refused' | 'unknown'; code: string };

/** After this long without an answer of a bank nobody waits any more, and the transfer is undone. */
const { debit, credit } = proxyActivities<TransferActivities>({
  startToCloseTimeout: '5s',
  scheduleToCloseTimeout: '30s',
  retry: { initialInterval: '200ms', maximumInterval: '5s' },
});
const { undoDebit, undoCredit } = proxyActivities<TransferActivities>({
  startToCloseTimeout: '5s',
  retry: { initialInterval: '200ms', maximumInterval: '30s' },
});

/** A person's decision about an undo that a bank refused. */
export const decide = defineSignal<[ParkDecision]>('decide');
/** The undo that waits for a decision, and why; null when there is none. */
export const waitingUndo = defineQuery<{ name: string; reason: string } | null>('waitingUndo');

/** debit → credit, or neither. `transfer/{transferId}`. */
export async function transferWorkflow(transfer: Transfer): Promise<TransferEnd> {
  const { transferId, amountMinor } = transfer;
  const [debited, credited] = [transfer.from, transfer.to].map((account) => ({
    transferId,
    account,
    amountMinor,
  })) as [Posting, Posting];
  const compensations = createCompensations({ park: askSomebody() });

  const first = await compensations.step('debit', {
    do: () => debit(debited),
    undo: () => undoDebit(debited),
  });
  const last =
    first.kind !== 'done'
      ? first
      : await compensations.step('credit', { do: () => credit(credited), undo: () => undoCredit(credited) });
  if (last.kind === 'done') return { state: 'DONE' };
  await compensations.run();
  return { state: 'UNDONE', because: last.kind, code: last.code };
}

type Posting = Parameters<TransferActivities['debit']>[0];

function askSomebody(): (name: string, reason: string) => Promise<ParkDecision> {
  let waiting: { name: string; reason: string } | null = null;
  let decision: ParkDecision | undefined;
  setHandler(waitingUndo, () => waiting);
  setHandler(decide, (given) => {
    if (waiting !== null) decision ??= given;
  });
  return async (name, reason) => {
    decision = undefined;
    waiting = { name, reason };
    await condition(() => decision !== undefined);
    waiting = null;
    return decision!;
  };
}
