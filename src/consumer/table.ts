/**
 * The PostgreSQL that the consumer uses anyway: a client or a transaction of `pg`, or any other driver behind these few
 * lines. The kit itself imports no driver.
 */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** Who processes, so that several of them in one database each keep their own account of the same events. */
export interface ConsumerName {
  /** 1 to 255 characters. Default: `default`. Renamed, it has processed nothing yet. */
  consumer?: string;
}

const DEFAULT_CONSUMER = 'default';
/** An entry of a btree index ends at 2,704 bytes; two such texts, of 765 bytes in UTF-8 at most, stay below. Source: PostgreSQL, nbtree. */
const TEXT_LENGTH_MAX = 255;
/** PostgreSQL cuts names at 63 bytes; the names of our indexes are this one and a few letters. */
const TABLE = /^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,43}$/;

/**
 * A table's name for SQL text, `name` or `schema.name`.
 * @throws RangeError when it is anything else: names are not values, and must never come from a message
 */
export function tableName(name: string): string {
  if (!TABLE.test(name)) throw new RangeError('table must be a lower-case name, with or without a schema');
  return name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}

/** The name without its schema, for the names of indexes, which live in the schema of their table. */
export function bareName(name: string): string {
  return name.slice(name.indexOf('.') + 1);
}

/** @throws RangeError when the name is empty or too long */
export function consumerName({ consumer = DEFAULT_CONSUMER }: ConsumerName): string {
  return checkedText('consumer', consumer);
}

/**
 * A text that can be a key.
 * @throws RangeError when it is not a text of 1 to 255 characters without NUL, which PostgreSQL cannot store
 */
export function checkedText(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= TEXT_LENGTH_MAX && !value.includes('\0')) {
    return value;
  }
  throw new RangeError(`${name} must be a text of 1 to ${TEXT_LENGTH_MAX} characters`);
}

/** Any constant: those who create tables at the same moment take turns. `create table if not exists` alone can race. */
const CREATE_LOCK = 0x4146_4949;

/** Runs DDL as one transaction; repeated at will, by several at once. */
export async function createTable(client: Queryable, ddl: string): Promise<void> {
  // Several statements in one text without values are one transaction, also on a pool.
  await client.query(`select pg_advisory_xact_lock(${CREATE_LOCK});\n${ddl}`);
}
