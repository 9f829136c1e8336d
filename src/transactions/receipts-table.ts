import { createTable, tableName, type Queryable } from '../consumer/table';

/**
 * A table of the caller's own, so that neither its role nor its names ever meet those of the service
 * (`aftercommit.step_receipts`).
 */
export const DEFAULT_TABLE = 'aftercommit_receipts';

/** Where the receipts are kept. */
export interface ReceiptOptions {
  /** `name` or `schema.name`, in lower case. Default: `aftercommit_receipts`. Never from a message. */
  table?: string;
}

/** `json` and not `jsonb`: an outcome is read with its members in their order, so that a repeat gets the same bytes. */
function receiptsDdl(table: string): string {
  return `create table if not exists ${tableName(table)} (
  aggregate_id text        not null,
  step         text        not null,
  op           text        not null check (op in ('do', 'undo')),
  state        text        not null check (state in ('intended', 'done', 'refused', 'fenced')),
  outcome      json        not null default '{}',
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  primary key (aggregate_id, step, op)
);
`;
}

/** The receipts as SQL, for those who keep their migrations in files. */
export const RECEIPTS_DDL: string = receiptsDdl(DEFAULT_TABLE);

/** Creates the receipts if they are not there. Idempotent, and safe when several processes start at once. */
export async function createReceipts(
  client: Queryable,
  { table = DEFAULT_TABLE }: ReceiptOptions = {},
): Promise<void> {
  await createTable(client, receiptsDdl(table));
}
