import { Client, Pool } from 'pg';
import type { ConnectionSecret } from '../../../src/bus/targets/connection';
import { createPostgresTarget } from '../../../src/bus/targets/postgres';
import { parseDatabaseUrl, parsePostgresTargetConfig } from '../../../src/bus/targets/postgres-config';
import type { Target } from '../../../src/bus/targets/target';
import { InvalidConnectionError, InvalidTargetError } from '../../../src/errors';
import { startFaultProxy, type FaultProxy } from '../../chaos/fault-proxy';
import { CONTRACT_EVENT, CONTRACT_REQUEST, targetContract, type TargetHarness } from '../../contract/target';
import { createTestDatabase, silentLog, type TestDatabase } from '../../support/database';
import { waitFor } from '../../support/wait';

const TIMEOUT_MS = 800;
const DDL = `
  create table billing.order_events (
    delivery_id uuid primary key, event_id uuid not null, source text not null, type text not null,
    time timestamptz not null, ordering_key text not null, rule text not null, replay_id uuid,
    payload text not null, received_at timestamptz not null default now(), seq bigserial)`;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query('create schema billing');
});

beforeEach(async () => {
  await database.pool.query(`drop table if exists billing.order_events; ${DDL}`);
});

afterAll(() => database.drop());

function open(
  settings: object = {},
  { pool = database.pool, connection = null, allowPrivate = true }: OpenOptions = {},
): Target {
  const config = parsePostgresTargetConfig({
    table: 'billing.order_events',
    timeoutMs: TIMEOUT_MS,
    ...settings,
  });
  return createPostgresTarget(config, { pool, connection, allowPrivate, logger: silentLog });
}

interface OpenOptions {
  pool?: Pool;
  connection?: ConnectionSecret | null;
  allowPrivate?: boolean;
}

async function rows(): Promise<Record<string, unknown>[]> {
  const { rows: found } = await database.pool.query<Record<string, unknown>>(
    'select * from billing.order_events order by seq',
  );
  return found;
}

function urlThrough(port: number): ConnectionSecret {
  const url = new URL(database.url);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  url.searchParams.set('sslmode', 'disable');
  return { kind: 'postgres', url: url.href };
}

targetContract('postgres', async (): Promise<TargetHarness> => {
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(database.url).port) });
  const target = open({}, { connection: urlThrough(proxy.port) });
  const locker = new Client({ connectionString: database.url });
  await locker.connect();
  return {
    target,
    timeoutMs: TIMEOUT_MS,
    situations: ['accepts', 'refuses', 'fails', 'hangs', 'accepts-then-cuts', 'unreachable'],
    // A text that no column can hold.
    poison: { ...CONTRACT_REQUEST, payload: 'a\u0000b' },
    dropsRepeats: true,
    arrange: async (situation) => {
      await locker.query('rollback');
      await proxy.heal();
      if (situation === 'fails') failNextInsert(proxy);
      if (situation === 'hangs') await locker.query('begin; lock table billing.order_events');
      if (situation === 'accepts-then-cuts') cutAfterCommit(proxy);
      if (situation === 'unreachable') {
        await proxy.refuse();
        proxy.cut();
      }
    },
    received: async () =>
      (await rows()).map((row) => ({
        id: String(row['event_id']),
        deliveryId: String(row['delivery_id']),
        payload: String(row['payload']),
        orderingKey: String(row['ordering_key']),
        replayId: row['replay_id'] as string | null,
      })),
    close: async () => {
      await target.close();
      await locker.end();
      await proxy.close();
    },
  };
});

/** The connection goes before the insert is there. */
function failNextInsert(proxy: FaultProxy): void {
  proxy.onBytes = (direction, bytes) => {
    if (direction === 'up' && bytes.includes('insert into')) {
      proxy.onBytes = null;
      proxy.cut();
    }
  };
}

/** The server commits, and its word for it is lost. */
function cutAfterCommit(proxy: FaultProxy): void {
  proxy.onBytes = (direction, bytes) => {
    if (direction === 'down' && bytes.includes('COMMIT\0')) {
      proxy.onBytes = null;
      proxy.freeze('down');
      proxy.cut();
    }
  };
}

describe('a row', () => {
  it('holds what was sent, byte for byte', async () => {
    const payload = '{"b": 1,  "a": "é🎁"}';
    const replayId = '0198c5d2-0000-7000-8000-000000000009';

    expect(await open().send({ ...CONTRACT_REQUEST, payload, replayId })).toMatchObject({
      kind: 'delivered',
    });

    expect(await rows()).toEqual([
      {
        delivery_id: CONTRACT_REQUEST.deliveryId,
        event_id: CONTRACT_EVENT.id,
        source: 'ecommerce.orders',
        type: 'order.confirmed',
        time: CONTRACT_EVENT.time,
        ordering_key: 'ord_1',
        rule: 'order-confirmed',
        replay_id: replayId,
        payload,
        received_at: expect.any(String) as unknown,
        seq: 1,
      },
    ]);
  });

  it('is there once however often and how many at a time it is sent', async () => {
    const target = open();

    const outcomes = await Promise.all(Array.from({ length: 10 }, () => target.send(CONTRACT_REQUEST)));

    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(10).fill('delivered'));
    expect(await rows()).toHaveLength(1);
  });

  it('is told of once, when it is there', async () => {
    const listener = new Client({ connectionString: database.url });
    await listener.connect();
    const heard: (string | undefined)[] = [];
    listener.on('notification', ({ payload }) => heard.push(payload));
    await listener.query('listen "Order$events"; listen done');
    const target = open({ channel: 'Order$events' });

    await target.send(CONTRACT_REQUEST);
    await target.send(CONTRACT_REQUEST);
    await database.pool.query(`notify done, 'done'`);

    await waitFor('the end', () => heard.includes('done'));
    expect(heard).toEqual([CONTRACT_EVENT.id, 'done']);
    await listener.end();
  });

  it('is not told of when the table refuses it', async () => {
    await database.pool.query('alter table billing.order_events drop column payload');

    expect(await open({ channel: 'events' }).send(CONTRACT_REQUEST)).toMatchObject({
      kind: 'dead',
      code: 'table_mismatch',
    });
  });
});

describe('what the database says', () => {
  it.each([
    ['no table', 'drop table billing.order_events', 'table_mismatch'],
    ['no column', 'alter table billing.order_events drop column rule', 'table_mismatch'],
    ['no unique id', 'alter table billing.order_events drop constraint order_events_pkey', 'table_mismatch'],
    [
      'a column of another type',
      'alter table billing.order_events alter source type int using 1',
      'value_refused',
    ],
    [
      'another column that must be filled',
      'alter table billing.order_events add extra int not null',
      'table_mismatch',
    ],
    ['a check', `alter table billing.order_events add check (source = 'x')`, 'constraint_violation'],
    ['a trigger', TRIGGER(), 'refused'],
  ])('%s is final', async (_what, sql, code) => {
    await database.pool.query(sql);

    const outcome = await open().send(CONTRACT_REQUEST);

    expect(outcome).toMatchObject({ kind: 'dead', status: null, code });
    expect(JSON.stringify(outcome)).not.toMatch(/ecommerce|very secret|ord_1/);
  });

  it('a lock that is held is tried again in time, and the pool keeps its connections', async () => {
    const locker = new Client({ connectionString: database.url });
    await locker.connect();
    await locker.query('begin; lock table billing.order_events');
    const target = open();

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry', code: 'timeout' });

    await locker.query('rollback');
    await locker.end();
    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });
    expect(database.pool.waitingCount).toBe(0);
  });

  it('a pool without a free connection is tried again in time', async () => {
    const pool = new Pool({ connectionString: database.url, max: 1 });
    const held = await pool.connect();

    expect(await open({}, { pool }).send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry', code: 'timeout' });

    held.release();
    await waitFor('the late connection is back', () => pool.idleCount === 1);
    expect(await open({}, { pool }).send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });
    await pool.end();
  });

  it('a role that may not is final', async () => {
    await database.pool.query(
      `drop role if exists target_reader; create role target_reader login password 'secret'`,
    );
    const url = new URL(database.url);
    url.username = 'target_reader';
    url.password = 'secret';
    url.searchParams.set('sslmode', 'disable');
    const target = open({}, { connection: { kind: 'postgres', url: url.href } });

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', code: 'access_denied' });

    await target.close();
    await database.pool.query('drop role target_reader');
  });

  it('no such database is final', async () => {
    const url = new URL(database.url);
    url.pathname = '/nowhere';
    url.searchParams.set('sslmode', 'disable');
    const target = open({}, { connection: { kind: 'postgres', url: url.href } });

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', code: 'unknown_database' });
    await target.close();
  });

  it('no TLS where it is asked for is tried again, and nothing was sent in the clear', async () => {
    const target = open({}, { connection: { kind: 'postgres', url: database.url } });

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry', code: 'tls_error' });
    expect(await rows()).toEqual([]);
    await target.close();
  });
});

/** A trigger that puts the row into its words. */
function TRIGGER(): string {
  return `
    create or replace function billing.refuse() returns trigger language plpgsql as
      $$ begin raise exception 'very secret %', new.source; end $$;
    create trigger refuse before insert on billing.order_events for each row execute function billing.refuse()`;
}

describe('another database', () => {
  const PUBLIC = 'postgres://user:password@db.example.com/shop';

  it.each(['127.0.0.1', '10.0.0.1', '[::1]', '169.254.169.254'])('at %s is blocked', async (host) => {
    const url = `postgres://user:password@${host}/shop`;
    const target = open({}, { connection: { kind: 'postgres', url }, allowPrivate: false });

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', code: 'ssrf_blocked' });
    await target.close();
  });

  it('whose name points to a private address is blocked', async () => {
    const target = createPostgresTarget(parsePostgresTargetConfig({ table: 'a.b' }), {
      pool: database.pool,
      connection: { kind: 'postgres', url: PUBLIC },
      allowPrivate: false,
      logger: silentLog,
      lookup: (_name, _options, callback) => callback(null, [{ address: '10.0.0.1', family: 4 }]),
    });

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', code: 'ssrf_blocked' });
    await target.close();
  });

  it('is read member by member, with TLS that checks the name', () => {
    const address = parseDatabaseUrl(
      { kind: 'postgres', url: 'postgres://us%40er:p%2Fw@db.example.com:6543/shop' },
      { allowPrivate: false },
    );

    expect({ ...address, password: address.password() }).toEqual({
      host: 'db.example.com',
      port: 6_543,
      user: 'us@er',
      password: 'p/w',
      database: 'shop',
      ssl: { rejectUnauthorized: true },
    });
  });

  it.each([
    'postgres:///shop',
    'postgres://db.example.com/shop',
    'postgres://user:very-secret@db.example.com',
    'postgres://user:very-secret@db.example.com/shop?host=/var/run/postgresql',
    'postgres://user:very-secret@db.example.com/shop?sslrootcert=/etc/passwd',
    'postgres://user:very-secret@db.example.com/shop?sslmode=prefer',
    'postgres://user:very-secret@db.example.com/shop?sslmode=disable',
    'postgres://user:very-secret@db.example.com/%ZZ',
    'no URL',
  ])('is refused: %s', (url) => {
    const read = (): unknown => parseDatabaseUrl({ kind: 'postgres', url }, { allowPrivate: false });

    expect(read).toThrow(InvalidConnectionError);
    expect(read).not.toThrow(/very-secret/);
  });
});

describe('the settings', () => {
  it('get their defaults', () => {
    expect(parsePostgresTargetConfig({ table: 'billing.Order_events' })).toEqual({
      table: 'billing.Order_events',
      timeoutMs: 5_000,
    });
  });

  it.each<[object, string[]]>([
    [{}, ['/table']],
    [{ table: 'order_events' }, ['/table']],
    [{ table: 'a.b.c' }, ['/table']],
    [{ table: 'billing."order' }, ['/table']],
    [{ table: 'billing.a; drop table x' }, ['/table']],
    [{ table: `billing.${'a'.repeat(64)}` }, ['/table']],
    [{ table: 'aftercommit.events' }, ['/table']],
    [{ table: 'AFTERCOMMIT.events' }, ['/table']],
    [{ table: 'pg_catalog.pg_class' }, ['/table']],
    [{ table: 'pg_temp.a' }, ['/table']],
    [{ table: 'information_schema.tables' }, ['/table']],
    [{ table: 'a.b', channel: 'aftercommit_enqueued' }, ['/channel']],
    [{ table: 'a.b', channel: "x'; drop" }, ['/channel']],
    [{ table: 'a.b', channel: '' }, ['/channel']],
    [{ table: 'a.b', timeoutMs: 99, url: 'x' }, ['/url', '/timeoutMs']],
  ])('are refused: %j', (config, pointers) => {
    let refused: unknown;
    try {
      parsePostgresTargetConfig(config);
    } catch (error) {
      refused = error;
    }

    expect(refused).toBeInstanceOf(InvalidTargetError);
    expect((refused as InvalidTargetError).fields.map(({ pointer }) => pointer)).toEqual(pointers);
  });
});
