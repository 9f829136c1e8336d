import type { Pool } from 'pg';
import { InUseError } from '../errors';
import { appendAudit } from './audit';
import type { SecretBox } from './secrets';
import { ONCE, statement, transaction } from './transaction';

/** As the bus knows them; the table takes what it has checked. */
export type ConnectionKind = string;

/** What is shown of a connection: never its secret. */
export interface ConnectionView {
  name: string;
  kind: ConnectionKind;
  createdAt: string;
  updatedAt: string;
}

const VIEW = 'name, kind, created_at as "createdAt", updated_at as "updatedAt"';

export async function listConnections(pool: Pool): Promise<ConnectionView[]> {
  return statement<ConnectionView>(pool, `select ${VIEW} from aftercommit.connections order by name`, []);
}

export async function readConnection(pool: Pool, name: string): Promise<ConnectionView | null> {
  const [row] = await statement<ConnectionView>(
    pool,
    `select ${VIEW} from aftercommit.connections where name = $1`,
    [name],
  );
  return row ?? null;
}

/** Creates or replaces a connection; its secret is encrypted before it leaves this process. */
export async function putConnection(
  pool: Pool,
  box: SecretBox,
  connection: { name: string; kind: ConnectionKind; secret: object; actor: string },
): Promise<ConnectionView> {
  const sealed = box.seal(connection.name, connection.secret);
  return transaction(pool, async (client) => {
    const { rows } = await client.query<ConnectionView>(
      `insert into aftercommit.connections (name, kind, key_id, nonce, ciphertext) values ($1, $2, $3, $4, $5)
       on conflict (name) do update set kind = excluded.kind, key_id = excluded.key_id, nonce = excluded.nonce,
         ciphertext = excluded.ciphertext, updated_at = now() returning ${VIEW}`,
      [connection.name, connection.kind, sealed.keyId, sealed.nonce, sealed.ciphertext],
    );
    await appendAudit(client, {
      actor: connection.actor,
      action: 'connection.put',
      subject: connection.name,
      detail: { kind: connection.kind },
    });
    return rows[0]!;
  });
}

/**
 * @returns false when there is none of this name
 * @throws InUseError when a target names it
 */
export async function deleteConnection(pool: Pool, name: string, actor: string): Promise<boolean> {
  return transaction(
    pool,
    async (client) => {
      const users = await client.query<{ name: string }>(
        'select name from aftercommit.targets where $1 in (connection, signature)',
        [name],
      );
      if (users.rows.length > 0) {
        throw new InUseError(`Targets use this connection: ${users.rows.map((row) => row.name).join(', ')}.`);
      }
      const { rowCount } = await client.query('delete from aftercommit.connections where name = $1', [name]);
      if (rowCount === 1)
        await appendAudit(client, { actor, action: 'connection.delete', subject: name, detail: {} });
      return rowCount === 1;
    },
    ONCE,
  );
}

/** The secret of a connection, in memory only. */
export async function openConnection(
  pool: Pool,
  box: SecretBox,
  name: string,
): Promise<{ kind: ConnectionKind; secret: Record<string, string> } | null> {
  const [row] = await statement<{ kind: ConnectionKind; key_id: string; nonce: Buffer; ciphertext: Buffer }>(
    pool,
    'select kind, key_id, nonce, ciphertext from aftercommit.connections where name = $1',
    [name],
  );
  if (row === undefined) return null;
  const sealed = { keyId: row.key_id, nonce: row.nonce, ciphertext: row.ciphertext };
  return { kind: row.kind, secret: box.open(name, sealed) };
}
