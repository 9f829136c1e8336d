import { isDeepStrictEqual } from 'node:util';
import type { Pool } from 'pg';
import type { TemplateDefinition, TemplateName } from '../domain/templates';
import { appendAudit } from './audit';
import { statement, transaction } from './transaction';

/** One version of a template. It never changes: notifications keep the version that they began with. */
export interface TemplateRow {
  name: TemplateName;
  version: number;
  definition: TemplateDefinition;
  /** Who wrote it; `aftercommit` wrote the first one of each. */
  actor: string;
  createdAt: string;
}

/** Any constant of our own: two writers of templates take turns on it. The API's role may not lock rows that it only reads. */
const WRITERS_LOCK = 0x4146_5450;

const COLUMNS = 'name, version, definition, actor, created_at as "createdAt"';

/** The latest version of every template, in order of their names. */
export async function listTemplates(pool: Pool): Promise<TemplateRow[]> {
  return statement<TemplateRow>(
    pool,
    `select distinct on (name) ${COLUMNS} from aftercommit.templates order by name, version desc`,
    [],
  );
}

const ONE = `
  select ${COLUMNS} from aftercommit.templates where name = $1 and ($2::int is null or version = $2)
  order by version desc limit 1`;

/** @param version - null: the latest */
export async function readTemplate(
  pool: Pool,
  name: TemplateName,
  version: number | null,
): Promise<TemplateRow | null> {
  const [row] = await statement<TemplateRow>(pool, ONE, [name, version]);
  return row ?? null;
}

/** The words that a notification began with. */
export async function readTemplateVersion(
  pool: Pool,
  name: string,
  version: number,
): Promise<TemplateDefinition | null> {
  const [row] = await statement<TemplateRow>(pool, ONE, [name, version]);
  return row?.definition ?? null;
}

/** Versions of a template, newest first; `before` is the last one of the page before. */
export async function listTemplateVersions(
  pool: Pool,
  name: TemplateName,
  page: { limit: number; before?: number | undefined },
): Promise<TemplateRow[]> {
  return statement<TemplateRow>(
    pool,
    `select ${COLUMNS} from aftercommit.templates where name = $1 and ($2::int is null or version < $2)
     order by version desc limit $3`,
    [name, page.before ?? null, page.limit],
  );
}

/**
 * Writes the next version of a template; what is told from now on is told with it. The definition that the latest version
 * has already writes none, so a repeat is safe.
 * @returns the latest version
 */
export async function putTemplate(
  pool: Pool,
  template: { name: TemplateName; definition: TemplateDefinition; actor: string },
): Promise<TemplateRow> {
  const { name, definition, actor } = template;
  return transaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [WRITERS_LOCK]);
    const read = await client.query<TemplateRow>(ONE, [name, null]);
    const latest = read.rows[0] ?? null;
    const text = JSON.stringify(definition);
    // Compared as it would be stored: members without a value are not there.
    if (latest !== null && isDeepStrictEqual(latest.definition, JSON.parse(text))) return latest;
    const version = (latest?.version ?? 0) + 1;
    const { rows } = await client.query<TemplateRow>(
      `insert into aftercommit.templates (name, version, definition, actor) values ($1, $2, $3, $4) returning ${COLUMNS}`,
      [name, version, text, actor],
    );
    const detail = { version, state: definition.state };
    await appendAudit(client, { actor, action: 'template.put', subject: name, detail });
    return rows[0]!;
  });
}
