import type { Queryable } from './transaction';

/** Writes who changed what by hand, in the transaction of the change. */
export async function appendAudit(
  client: Queryable,
  entry: { actor: string; action: string; subject: string; detail: object },
): Promise<void> {
  await client.query(
    'insert into aftercommit.audit (actor, action, subject, detail) values ($1, $2, $3, $4)',
    [entry.actor, entry.action, entry.subject, JSON.stringify(entry.detail)],
  );
}
