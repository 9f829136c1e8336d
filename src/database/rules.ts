import type { Pool } from 'pg';
import { InvalidValueError } from '../errors';
import { appendAudit } from './audit';
import { ONCE, statement, transaction, type Queryable } from './transaction';

export type RuleState = 'ENABLED' | 'DISABLED' | 'PAUSED';

export interface RuleTarget {
  target: string;
  /** As the bus has checked it. */
  transformer: object | null;
}

export interface RuleRow {
  name: string;
  description: string | null;
  pattern: Record<string, unknown>;
  state: RuleState;
  targets: RuleTarget[];
  createdAt: string;
  updatedAt: string;
}

const RULES = `
  select r.name, r.description, r.pattern, r.state, r.created_at as "createdAt", r.updated_at as "updatedAt",
    (select coalesce(json_agg(json_build_object('target', t.target_name, 'transformer', t.transformer) order by t.position), '[]')
     from aftercommit.rule_targets t where t.rule_name = r.name) as targets
  from aftercommit.rules r`;

/** All rules, in order of their names. */
export async function listRules(pool: Pool): Promise<RuleRow[]> {
  return statement<RuleRow>(pool, `${RULES} order by r.name`, []);
}

export async function readRule(pool: Pool, name: string): Promise<RuleRow | null> {
  const [row] = await statement<RuleRow>(pool, `${RULES} where r.name = $1`, [name]);
  return row ?? null;
}

/** Creates or replaces a rule. Events that were routed before keep the deliveries that they got. */
export async function putRule(
  pool: Pool,
  rule: Omit<RuleRow, 'createdAt' | 'updatedAt'> & { actor: string },
): Promise<RuleRow> {
  await transaction(pool, async (client) => {
    const names = rule.targets.map((entry) => entry.target);
    const found = await client.query<{ name: string }>(
      'select name from aftercommit.targets where name = any($1) order by name for key share',
      [names],
    );
    const known = new Set(found.rows.map((row) => row.name));
    const missing = names.findIndex((name) => !known.has(name));
    if (missing >= 0) {
      throw new InvalidValueError('A target of this rule does not exist; PUT it first.', {
        fields: [{ pointer: `/targets/${missing}/target`, message: 'no target of this name' }],
      });
    }
    await client.query(
      `insert into aftercommit.rules (name, description, pattern, state) values ($1, $2, $3, $4)
       on conflict (name) do update set description = excluded.description, pattern = excluded.pattern, state = excluded.state,
         updated_at = now()`,
      [rule.name, rule.description, JSON.stringify(rule.pattern), rule.state],
    );
    await client.query('delete from aftercommit.rule_targets where rule_name = $1', [rule.name]);
    await client.query(
      `insert into aftercommit.rule_targets (rule_name, position, target_name, transformer)
       select $1, position - 1, t ->> 'target', nullif(t -> 'transformer', 'null')
       from jsonb_array_elements($2::jsonb) with ordinality as list (t, position)`,
      [rule.name, JSON.stringify(rule.targets)],
    );
    await raiseVersion(client);
    await appendAudit(client, {
      actor: rule.actor,
      action: 'rule.put',
      subject: rule.name,
      detail: { state: rule.state },
    });
  });
  const stored = await readRule(pool, rule.name);
  if (stored === null) throw new InvalidValueError('The rule was deleted while it was written.');
  return stored;
}

/** Deliveries that were frozen for it go on. @returns false when there is none of this name */
export async function deleteRule(pool: Pool, name: string, actor: string): Promise<boolean> {
  return transaction(
    pool,
    async (client) => {
      const { rowCount } = await client.query('delete from aftercommit.rules where name = $1', [name]);
      if (rowCount !== 1) return false;
      await raiseVersion(client);
      await appendAudit(client, { actor, action: 'rule.delete', subject: name, detail: {} });
      return true;
    },
    ONCE,
  );
}

/**
 * Pauses or resumes a rule. Paused, its deliveries wait; events that match it meanwhile get theirs and wait too.
 * @returns null when there is none of this name
 */
export async function setRuleState(
  pool: Pool,
  rule: { name: string; state: 'ENABLED' | 'PAUSED'; actor: string },
): Promise<RuleRow | null> {
  await transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      'update aftercommit.rules set state = $2, updated_at = now() where name = $1',
      [rule.name, rule.state],
    );
    if (rowCount !== 1) return;
    await raiseVersion(client);
    const action = rule.state === 'PAUSED' ? 'rule.pause' : 'rule.resume';
    await appendAudit(client, { actor: rule.actor, action, subject: rule.name, detail: {} });
  });
  return readRule(pool, rule.name);
}

async function raiseVersion(client: Queryable): Promise<void> {
  await client.query('update aftercommit.installation set rules_version = rules_version + 1');
}

/** A number that differs whenever the rules do. Read it before the rules: they are then at least as new. */
export async function rulesVersion(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ rules_version: number }>(
    'select rules_version from aftercommit.installation',
  );
  return rows[0]!.rules_version;
}
