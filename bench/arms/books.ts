import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Client, type Pool } from 'pg';
import { putRule } from '../../src/database/rules';
import { createPool } from '../../src/database/pool';
import { putTarget } from '../../src/database/targets';
import { createLogger } from '../../src/log';
import { skuAt, SKUS } from '../loads';

/** Units of each SKU: no cell sells one out. */
export const UNITS = 1_000_000;

/** What the database says of one order. */
export interface OrderRow {
  order_id: string;
  sku: string;
  quantity: number;
  /** Milliseconds since 1970, as PostgreSQL dates the commit. */
  committed_at: number;
  /** Null as long as no message is recorded. */
  sid: string | null;
}

/** How the tables of an arm are made and read. */
export interface Books {
  /** Name of the template database. */
  template: string;
  /** Makes tables, stock and whatever must be known of the receivers, in an empty database. */
  prepare(url: string, places: { sinkUrl: string }): Promise<void>;
  /** Orders of which all is recorded: published, and the message's sid. */
  recordedSql: string;
  /** Rows as OrderRow. */
  ordersSql: string;
  /** Columns sku, available. */
  stockSql: string;
}

/** When the row's transaction was committed. The row is never changed after, so this is the commit of the order. */
const committedAt = (row: string): string =>
  `extract(epoch from pg_xact_commit_timestamp(${row}.xmin))::float8 * 1000 as committed_at`;

/** Of the peers: bench/peers/shop.sql. */
export const SHOP_BOOKS: Books = {
  template: 'shop_template',
  prepare: (url) =>
    withClient(url, async (client) => {
      await client.query(readFileSync(path.resolve(__dirname, '../peers/shop.sql'), 'utf8'));
      await client.query('insert into stock (sku, available) select sku, $2 from unnest($1::text[]) as sku', [
        ALL_SKUS,
        UNITS,
      ]);
      await client.query('vacuum (analyze) stock');
    }),
  recordedSql: 'select count(*)::int as recorded from outbox where message_sid is not null',
  ordersSql: `select o.order_id, o.sku, o.quantity, ${committedAt('o')}, b.message_sid as sid
              from orders o join outbox b using (order_id)`,
  stockSql: 'select sku, available from stock',
};

/** Of the product. An order line is never changed after its commit; the order itself is. */
export const PRODUCT_BOOKS: Books = {
  template: 'product_template',
  prepare: prepareProduct,
  recordedSql: `select least(
                  (select count(*) from aftercommit.outbox where published_at is not null),
                  (select count(*) from aftercommit.notification_attempts where message_sid is not null)
                )::int as recorded`,
  ordersSql: `select l.order_id, l.sku, l.quantity, ${committedAt('l')}, a.message_sid as sid
              from aftercommit.order_lines l left join aftercommit.notification_attempts a using (order_id)`,
  stockSql: 'select sku, available from aftercommit.inventory',
};

interface Migrations {
  migrate(pool: Pool, log: ReturnType<typeof createLogger>): Promise<string[]>;
}
const MIGRATE = path.resolve(__dirname, '../../dist/database/migrate.js');
const ALL_SKUS = Array.from({ length: SKUS }, (_, position) => skuAt(position));

async function prepareProduct(url: string, { sinkUrl }: { sinkUrl: string }): Promise<void> {
  const log = createLogger({ level: 'warn', name: 'bench' });
  const pool = createPool({ url, size: 2, name: 'bench', log });
  try {
    // Of the build that is measured, so that its tables are those it knows.
    const migrations = (await import(MIGRATE)) as Migrations;
    await migrations.migrate(pool, log);
    await pool.query(
      'insert into aftercommit.inventory (sku, available) select sku, $2 from unnest($1::text[]) as sku',
      [ALL_SKUS, UNITS],
    );
    await putSinkRule(pool, sinkUrl);
    // Nobody else writes a line for each order either.
    await pool.query(`update aftercommit.rules set state = 'DISABLED' where name = 'order-confirmed-to-log'`);
    await pool.query('vacuum (analyze) aftercommit.inventory');
  } finally {
    await pool.end();
  }
}

/** Events of orders to the sink, over the real bus. */
async function putSinkRule(pool: Pool, sinkUrl: string): Promise<void> {
  await putTarget(
    pool,
    {
      name: 'sink',
      kind: 'http',
      config: { url: sinkUrl },
      connection: null,
      signature: null,
      retry: {},
      ratePerSecond: null,
      actor: 'bench',
    },
    { connection: [], signature: [] },
  );
  await putRule(pool, {
    name: 'orders-to-sink',
    description: null,
    pattern: { source: ['ecommerce.orders'], 'detail-type': [{ prefix: 'order.' }] },
    state: 'ENABLED',
    targets: [{ target: 'sink', transformer: null }],
    actor: 'bench',
  });
}

async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
