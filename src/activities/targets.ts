import { createTarget, targetKindOf } from '../bus/targets';
import { parseConnectionSecret, type ConnectionSecret } from '../bus/targets/connection';
import type { TargetDeps } from '../bus/targets/kind';
import type { Target } from '../bus/targets/target';
import { openConnection } from '../database/connections';
import type { Pool } from '../database/pool';
import type { SecretBox } from '../database/secrets';
import { readTarget, type TargetState } from '../database/targets';
import { InvalidTargetError } from '../errors';
import { retryPolicyOf, type RetryPolicy } from '../domain/deliveries';

export interface OpenTarget {
  target: Target;
  retry: RetryPolicy;
  /** Sends a second over all processes; null: no limit. */
  ratePerSecond: number | null;
  state: TargetState;
  takesPersonalData: boolean;
}

/** The open targets. Address and credentials are live: a change counts from the next delivery on. */
export interface TargetBook {
  /** @returns null when there is no target of this name any more */
  open(name: string): Promise<OpenTarget | null>;
  close(): Promise<void>;
}

interface Entry {
  version: string;
  open: OpenTarget;
}

export function createTargetBook(deps: { pool: Pool; box: SecretBox; dependencies: TargetDeps }): TargetBook {
  const entries = new Map<string, Entry>();
  const opening = new Map<string, Promise<OpenTarget | null>>();

  async function load(name: string): Promise<Entry | null> {
    const row = await readTarget(deps.pool, name);
    if (row === null) return null;
    const version = `${row.updatedAt} ${row.connectionUpdatedAt ?? ''}`;
    const known = entries.get(name);
    if (known?.version === version) return known;
    const connection = row.connection === null ? null : await secretOf(row.connection);
    const signature = row.signature === null ? null : await secretOf(row.signature);
    if (signature !== null && signature.kind !== 'webhook_secret') {
      throw new InvalidTargetError(`The connection ${row.signature} has no signing secret any more.`);
    }
    const target = createTarget(row.kind, row.config, { ...deps.dependencies, connection, signature });
    const { ratePerSecond, state } = row;
    const { takesPersonalData = true } = targetKindOf(row.kind);
    const retry = retryPolicyOf(row.retry);
    return { version, open: { target, retry, ratePerSecond, state, takesPersonalData } };
  }

  async function secretOf(connection: string): Promise<ConnectionSecret | null> {
    const opened = await openConnection(deps.pool, deps.box, connection);
    return opened === null ? null : parseConnectionSecret({ kind: opened.kind, ...opened.secret });
  }

  async function open(name: string): Promise<OpenTarget | null> {
    const before = entries.get(name);
    const entry = await load(name);
    if (entry === null) return null;
    entries.set(name, entry);
    // A send that is under way on the old one ends first: closing waits for it.
    if (before !== undefined && before !== entry) void before.open.target.close();
    return entry.open;
  }

  return {
    // Several who ask at once share one answer: each would open a target of its own, and all but one would be forgotten.
    open(name) {
      const pending = opening.get(name) ?? open(name).finally(() => opening.delete(name));
      opening.set(name, pending);
      return pending;
    },
    async close() {
      const open = [...entries.values()];
      entries.clear();
      await Promise.all(open.map((entry) => entry.open.target.close()));
    },
  };
}
