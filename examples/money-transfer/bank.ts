import {
  createReceipts,
  doStep,
  refuse,
  transaction,
  undoStep,
  type StepOutcome,
  type UndoOutcome,
} from 'aftercommit/transactions';
import type { Pool, PoolClient } from 'pg';

/** One bank: accounts in a database of its own. Nothing of it is in the other bank's transactions. */
const SCHEMA = `
create table if not exists accounts (
  account       text   primary key,
  balance_minor bigint not null check (balance_minor >= 0),
  closed        bool   not null default false
);
`;

export interface Posting {
  transferId: string;
  account: string;
  /** Whole minor units, above 0. */
  amountMinor: number;
}

export interface Bank {
  debit(posting: Posting): Promise<StepOutcome<null>>;
  credit(posting: Posting): Promise<StepOutcome<null>>;
  undoDebit(posting: Posting): Promise<UndoOutcome<null>>;
  undoCredit(posting: Posting): Promise<UndoOutcome<null>>;
}

export async function createBankTables(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
  await createReceipts(pool);
}

export function createBank(pool: Pool): Bank {
  const post = (step: 'debit' | 'credit', posting: Posting, code: string): Promise<StepOutcome<null>> =>
    transaction(pool, (tx) =>
      doStep(tx, { aggregate: posting.transferId, step }, async () =>
        (await change(tx, posting, step === 'debit' ? -1 : 1)) ? null : refuse(code),
      ),
    );
  const undo = (step: 'debit' | 'credit', posting: Posting): Promise<UndoOutcome<null>> =>
    transaction(pool, (tx) =>
      undoStep(tx, { aggregate: posting.transferId, step }, async () => {
        if (!(await change(tx, posting, step === 'debit' ? 1 : -1))) throw new UndoRefusedError();
        return null;
      }),
    );
  return {
    debit: (posting) => post('debit', posting, 'insufficient_funds'),
    credit: (posting) => post('credit', posting, 'account_closed'),
    undoDebit: (posting) => undo('debit', posting),
    undoCredit: (posting) => undo('credit', posting),
  };
}

/** The money is spent or the account is closed: no repeat gives it back, and a person must decide. */
export class UndoRefusedError extends Error {
  constructor() {
    super('the posting cannot be taken back');
  }
}

/** @returns false when the account is closed, does not exist or has not enough */
async function change(tx: PoolClient, posting: Posting, sign: 1 | -1): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update accounts set balance_minor = balance_minor + $2
     where account = $1 and not closed and balance_minor + $2 >= 0`,
    [posting.account, sign * posting.amountMinor],
  );
  return rowCount === 1;
}
