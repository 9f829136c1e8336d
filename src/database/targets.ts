import type { Pool } from 'pg';
import { SERVICE_SOURCE } from '../domain/events';
import { InUseError, InvalidTargetError } from '../errors';
import { appendAudit } from './audit';
import { ONCE, prepared, type Queryable, statement, transaction } from './transaction';

/** `PAUSED`: its deliveries wait. `DISABLED`: they are dead at once. */
export type TargetState = 'ENABLED' | 'PAUSED' | 'DISABLED';

export interface TargetRow {
  name: string;
  kind: string;
  config: Record<string, unknown>;
  connection: string | null;
  /** The connection whose secrets sign what is sent. */
  signature: string | null;
  retry: { maximumAgeSeconds?: number };
  ratePerSecond: number | null;
  state: TargetState;
  createdAt: string;
  updatedAt: string;
  /** When the secret behind it last changed. */
  connectionUpdatedAt: string | null;
}

const COLUMNS = `name, kind, config, connection, signature, retry, rate_per_second as "ratePerSecond", state,
  created_at as "createdAt", updated_at as "updatedAt",
  (select max(c.updated_at) from aftercommit.connections c where c.name in (connection, signature)) as "connectionUpdatedAt"`;

export async function listTargets(pool: Pool): Promise<TargetRow[]> {
  return statement<TargetRow>(pool, `select ${COLUMNS} from aftercommit.targets order by name`, []);
}

export async function readTarget(pool: Pool, name: string): Promise<TargetRow | null> {
  const [row] = await prepared<TargetRow>(
    pool,
    `select ${COLUMNS} from aftercommit.targets where name = $1`,
    [name],
  );
  return row ?? null;
}

/** A target as a caller gives it. `state` is not part of it: a target that is paused stays so when it is changed. */
export type NewTarget = Omit<TargetRow, 'createdAt' | 'updatedAt' | 'connectionUpdatedAt' | 'state'>;

/** @throws InvalidTargetError when it names a connection that does not exist or is of a kind that `accepts` leaves out */
export async function putTarget(
  pool: Pool,
  target: NewTarget & { actor: string },
  accepts: { connection: readonly string[]; signature: readonly string[] },
): Promise<TargetRow> {
  return transaction(pool, async (client) => {
    await checkConnection(client, {
      member: 'connection',
      name: target.connection,
      kinds: accepts.connection,
    });
    await checkConnection(client, { member: 'signature', name: target.signature, kinds: accepts.signature });
    const { rows } = await client.query<TargetRow>(
      `insert into aftercommit.targets (name, kind, config, connection, signature, retry, rate_per_second)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (name) do update set kind = excluded.kind, config = excluded.config, connection = excluded.connection,
         signature = excluded.signature, retry = excluded.retry, rate_per_second = excluded.rate_per_second, updated_at = now()
       returning ${COLUMNS}`,
      [
        target.name,
        target.kind,
        JSON.stringify(target.config),
        target.connection,
        target.signature,
        JSON.stringify(target.retry),
        target.ratePerSecond,
      ],
    );
    const detail = { kind: target.kind, connection: target.connection };
    await appendAudit(client, { actor: target.actor, action: 'target.put', subject: target.name, detail });
    return rows[0]!;
  });
}

async function checkConnection(
  client: Queryable,
  named: { member: 'connection' | 'signature'; name: string | null; kinds: readonly string[] },
): Promise<void> {
  if (named.name === null) return;
  const { rows } = await client.query<{ kind: string }>(
    'select kind from aftercommit.connections where name = $1 for key share',
    [named.name],
  );
  const kind = rows[0]?.kind;
  if (kind !== undefined && named.kinds.includes(kind)) return;
  const wanted = named.kinds.length === 0 ? 'none' : named.kinds.join(', ');
  const message =
    kind === undefined
      ? 'There is no connection of this name; PUT it first.'
      : `The connection is of kind ${kind}; this kind of target takes: ${wanted}.`;
  throw new InvalidTargetError(message, { fields: [{ pointer: `/${named.member}`, message }] });
}

/**
 * @returns false when there is none of this name
 * @throws InUseError when a rule names it or deliveries to it are open: what was frozen for it must not vanish
 */
export async function deleteTarget(pool: Pool, name: string, actor: string): Promise<boolean> {
  return transaction(
    pool,
    async (client) => {
      // Held against rules that would name it while it goes: they take a key share lock on it.
      await client.query('select 1 from aftercommit.targets where name = $1 for update', [name]);
      const rules = await client.query<{ rule_name: string }>(
        'select rule_name from aftercommit.rule_targets where target_name = $1 order by rule_name',
        [name],
      );
      if (rules.rows.length > 0) {
        throw new InUseError(`Rules use this target: ${rules.rows.map((row) => row.rule_name).join(', ')}.`);
      }
      const { rows } = await client.query<{ open: number }>(
        `select count(*)::int as open from aftercommit.deliveries
         where target_name = $1 and state in ('READY', 'SENDING')`,
        [name],
      );
      const { open } = rows[0]!;
      if (open > 0) {
        throw new InUseError(`${open} deliveries to this target are not done yet.`, {
          extensions: { openDeliveries: open },
        });
      }
      const { rowCount } = await client.query('delete from aftercommit.targets where name = $1', [name]);
      if (rowCount === 1)
        await appendAudit(client, { actor, action: 'target.delete', subject: name, detail: {} });
      return rowCount === 1;
    },
    ONCE,
  );
}

/**
 * Pauses or resumes a target. Paused, its deliveries wait; resumed, one that was disabled is enabled too.
 * @returns null when there is none of this name
 */
export async function setTargetState(
  pool: Pool,
  target: { name: string; state: 'ENABLED' | 'PAUSED'; actor: string },
): Promise<TargetRow | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<TargetRow>(
      `update aftercommit.targets set state = $2, updated_at = now() where name = $1 returning ${COLUMNS}`,
      [target.name, target.state],
    );
    const row = rows[0];
    if (row === undefined) return null;
    const action = target.state === 'PAUSED' ? 'target.pause' : 'target.resume';
    await appendAudit(client, { actor: target.actor, action, subject: target.name, detail: {} });
    return row;
  });
}

/**
 * Disables a target whose receiver said that it is gone, and publishes `target.disabled`, so that a rule can tell
 * somebody. Idempotent: only the first of several that heard it does so.
 */
export async function disableTarget(
  pool: Pool,
  gone: { target: string; rule: string; code: string },
): Promise<void> {
  await transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update aftercommit.targets set state = 'DISABLED', updated_at = now() where name = $1 and state <> 'DISABLED'`,
      [gone.target],
    );
    if (rowCount !== 1) return;
    const detail = { target: gone.target, rule: gone.rule, code: gone.code };
    await client.query('select aftercommit.insert_event($1, $2, $3, $4, null, null)', [
      'target.disabled',
      JSON.stringify(detail),
      SERVICE_SOURCE,
      `target/${gone.target}`,
    ]);
    await appendAudit(client, {
      actor: 'aftercommit',
      action: 'target.disable',
      subject: gone.target,
      detail,
    });
  });
}
