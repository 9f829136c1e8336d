import type { Pool } from 'pg';
import { InUseError, InvalidTargetError } from '../errors';
import { appendAudit } from './audit';
import { ONCE, statement, transaction } from './transaction';

export interface TargetRow {
  name: string;
  kind: string;
  config: Record<string, unknown>;
  connection: string | null;
  retry: { maximumAgeSeconds?: number };
  createdAt: string;
  updatedAt: string;
  /** When the secret behind it last changed. */
  connectionUpdatedAt: string | null;
}

const COLUMNS = `name, kind, config, connection, retry, created_at as "createdAt", updated_at as "updatedAt",
  (select c.updated_at from aftercommit.connections c where c.name = connection) as "connectionUpdatedAt"`;

export async function listTargets(pool: Pool): Promise<TargetRow[]> {
  return statement<TargetRow>(pool, `select ${COLUMNS} from aftercommit.targets order by name`, []);
}

export async function readTarget(pool: Pool, name: string): Promise<TargetRow | null> {
  const [row] = await statement<TargetRow>(
    pool,
    `select ${COLUMNS} from aftercommit.targets where name = $1`,
    [name],
  );
  return row ?? null;
}

/** @throws InvalidTargetError when it names a connection that does not exist */
export async function putTarget(
  pool: Pool,
  target: Omit<TargetRow, 'createdAt' | 'updatedAt' | 'connectionUpdatedAt'> & { actor: string },
): Promise<TargetRow> {
  return transaction(pool, async (client) => {
    if (target.connection !== null) {
      const found = await client.query(
        'select 1 from aftercommit.connections where name = $1 for key share',
        [target.connection],
      );
      if (found.rowCount === 0) {
        throw new InvalidTargetError('The connection does not exist; PUT it first.', {
          fields: [{ pointer: '/connection', message: 'no connection of this name' }],
        });
      }
    }
    const { rows } = await client.query<TargetRow>(
      `insert into aftercommit.targets (name, kind, config, connection, retry) values ($1, $2, $3, $4, $5)
       on conflict (name) do update set kind = excluded.kind, config = excluded.config, connection = excluded.connection,
         retry = excluded.retry, updated_at = now() returning ${COLUMNS}`,
      [
        target.name,
        target.kind,
        JSON.stringify(target.config),
        target.connection,
        JSON.stringify(target.retry),
      ],
    );
    const detail = { kind: target.kind, connection: target.connection };
    await appendAudit(client, { actor: target.actor, action: 'target.put', subject: target.name, detail });
    return rows[0]!;
  });
}

/**
 * @returns false when there is none of this name
 * @throws InUseError when a rule names it or deliveries to it exist: what was frozen for it must not vanish
 */
export async function deleteTarget(pool: Pool, name: string, actor: string): Promise<boolean> {
  return transaction(
    pool,
    async (client) => {
      // Held against rules and deliveries that would name it while it goes: they take a key share lock on it.
      await client.query('select 1 from aftercommit.targets where name = $1 for update', [name]);
      const rules = await client.query<{ rule_name: string }>(
        'select rule_name from aftercommit.rule_targets where target_name = $1 order by rule_name',
        [name],
      );
      if (rules.rows.length > 0) {
        throw new InUseError(`Rules use this target: ${rules.rows.map((row) => row.rule_name).join(', ')}.`);
      }
      const { rows } = await client.query<{ open: number; total: number }>(
        `select count(*) filter (where state in ('READY', 'SENDING'))::int as open, count(*)::int as total
       from aftercommit.deliveries where target_name = $1`,
        [name],
      );
      const { open, total } = rows[0]!;
      if (total > 0) {
        throw new InUseError(
          open > 0
            ? `${open} deliveries to this target are not done yet.`
            : 'Deliveries to this target are on record until they are purged.',
          { extensions: { openDeliveries: open } },
        );
      }
      const { rowCount } = await client.query('delete from aftercommit.targets where name = $1', [name]);
      if (rowCount === 1)
        await appendAudit(client, { actor, action: 'target.delete', subject: name, detail: {} });
      return rowCount === 1;
    },
    ONCE,
  );
}
