import { createHash } from 'node:crypto';

/** One change that a ledger made. A ledger's state is what its facts say, so it can be built again from them. */
export interface LedgerFact {
  type: string;
  [member: string]: unknown;
}

/** What tells one request under an id from another. Members must come in a fixed order. */
export function fingerprintOf(request: unknown): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('hex');
}
