import { Client } from 'pg';
import { waitFor } from '../support/wait';

/**
 * Points inside the commit's transaction at which it can be held: a trigger waits for an advisory lock that the test
 * holds. An order passes a gate unless the gate is closed and the order is for the gate's customer.
 */
export type Gate = 'T2' | 'T3' | 'T4';

const LOCK_SPACE = 4711;
const LOCKS: Record<Gate, number> = { T2: 2, T3: 3, T4: 4 };

/** T2: after the stock, T3: after the order, T4: after the event. Only for a database of a test's own. */
const TRIGGERS = `
  create schema chaos;
  -- The product gives up a lock after 2 s; here the test decides how long it takes.
  create function chaos.pass(p_gate int) returns void language plpgsql set lock_timeout = 0 set statement_timeout = 0 as $$
  begin
    perform pg_advisory_xact_lock_shared(${LOCK_SPACE}, p_gate);
  end $$;
  create function chaos.after_stock() returns trigger language plpgsql as $$
  begin
    if new.sku = 'SKU-T2' and new.available < old.available then perform chaos.pass(${LOCKS.T2}); end if;
    return null;
  end $$;
  create function chaos.after_order() returns trigger language plpgsql as $$
  begin
    if new.customer_id = 'cus_T3' then perform chaos.pass(${LOCKS.T3}); end if;
    return null;
  end $$;
  create function chaos.after_event() returns trigger language plpgsql as $$
  begin
    if new.payload ->> 'customerId' = 'cus_T4' and new.seq = 1 then perform chaos.pass(${LOCKS.T4}); end if;
    return null;
  end $$;
  create trigger chaos_gate after update on aftercommit.inventory for each row execute function chaos.after_stock();
  create trigger chaos_gate after insert on aftercommit.orders for each row execute function chaos.after_order();
  create trigger chaos_gate after insert on aftercommit.outbox for each row execute function chaos.after_event()`;

export interface Gates {
  close(gate: Gate): Promise<void>;
  open(gate: Gate): Promise<void>;
  /** Resolves with the server process that stands before a closed gate. */
  held(gate: Gate): Promise<number>;
  /** Ends a server process: what it had not committed is rolled back. Resolves when it is gone. */
  terminate(serverProcess: number): Promise<void>;
  end(): Promise<void>;
}

/** Builds the gates, all open. */
export async function buildGates(databaseUrl: string): Promise<Gates> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(TRIGGERS);
  const lockOf = (gate: Gate): number[] => [LOCK_SPACE, LOCKS[gate]];
  return {
    async close(gate) {
      await client.query('select pg_advisory_lock($1, $2)', lockOf(gate));
    },
    async open(gate) {
      await client.query('select pg_advisory_unlock($1, $2)', lockOf(gate));
    },
    held: (gate) =>
      waitFor(`a transaction is held at ${gate}`, async () => {
        const { rows } = await client.query<{ pid: number }>(
          `select pid from pg_locks where locktype = 'advisory' and classid = $1 and objid = $2 and not granted
             and database = (select oid from pg_database where datname = current_database())`,
          lockOf(gate),
        );
        return rows[0]?.pid;
      }),
    async terminate(serverProcess) {
      await client.query('select pg_terminate_backend($1)', [serverProcess]);
      await waitFor('the server process is gone', async () => {
        const { rows } = await client.query('select 1 from pg_stat_activity where pid = $1', [serverProcess]);
        return rows.length === 0;
      });
    },
    end: () => client.end(),
  };
}
