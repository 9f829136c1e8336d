import { ApplicationFailure } from '@temporalio/activity';
import { UndoRefusedError, type Bank, type Posting } from './bank';

export interface TransferActivities {
  debit(posting: Posting): Promise<unknown>;
  credit(posting: Posting): Promise<unknown>;
  undoDebit(posting: Posting): Promise<unknown>;
  undoCredit(posting: Posting): Promise<unknown>;
}

export function createActivities({ from, to }: { from: Bank; to: Bank }): TransferActivities {
  return {
    debit: (posting) => from.debit(posting),
    credit: (posting) => to.credit(posting),
    undoDebit: (posting) => forGood(from.undoDebit(posting)),
    undoCredit: (posting) => forGood(to.undoCredit(posting)),
  };
}

/** Tells Temporal what repeating cannot mend, so that the saga parks it. */
async function forGood<T>(undoing: Promise<T>): Promise<T> {
  try {
    return await undoing;
  } catch (error) {
    if (error instanceof UndoRefusedError)
      throw ApplicationFailure.nonRetryable(error.message, 'undo_refused');
    throw error;
  }
}
