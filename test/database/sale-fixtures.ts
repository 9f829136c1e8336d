import { randomUUID } from 'node:crypto';
import { commitOrders, type AskedOrder, type CommitOutcome } from '../../src/database/commits';
import { openGroup } from '../../src/database/groups';
import { uuidV5 } from '../../src/database/ids';
import { setAvailable } from '../../src/database/inventory';
import type { Pool, PoolClient } from '../../src/database/pool';
import { putSale, type SaleView } from '../../src/database/sales';
import type { PaymentMode } from '../../src/domain/orders';
import type { SaleTerms } from '../../src/domain/sales';
import { phoneHash } from './place';

const NAMESPACE = '00000000-0000-4000-8000-0000000005a1';

/** An open sale of ten units of a product of its own, of which there are a hundred. */
export async function openSale(
  pool: Pool,
  saleId: string,
  terms: Partial<SaleTerms> = {},
): Promise<SaleView> {
  await setAvailable(pool, { sku: `SKU-${saleId}`, available: 100, actor: 'test', reason: 'test' });
  return putSale(pool, termsOf(saleId, terms), 'test');
}

export function termsOf(saleId: string, terms: Partial<SaleTerms> = {}): SaleTerms {
  return {
    saleId,
    sku: `SKU-${saleId}`,
    quantity: 10,
    opensAt: null,
    closesAt: null,
    perCustomer: null,
    paymentDeadlineSeconds: null,
    ...terms,
  };
}

export interface Wanted {
  saleId: string | null;
  sku?: string;
  customerId?: string;
  units?: number;
  mode?: PaymentMode;
}

/** An order of a sale. The name stands for its key; each has a customer of its own unless told otherwise. */
export function asked(name: string, wanted: Wanted): AskedOrder {
  const { saleId, sku = `SKU-${saleId}`, customerId = `cus ${name}`, units = 1, mode = 'none' } = wanted;
  return {
    orderId: uuidV5(NAMESPACE, name),
    caller: 'test',
    fingerprint: `fingerprint of ${name}`,
    workflowId: 'group/test',
    saleId,
    request: {
      customer: {
        id: customerId.replaceAll(' ', '_'),
        phone: '+14155550100',
        channels: ['sms'],
        country: 'US',
      },
      lines: [{ sku, quantity: units, unitPriceMinor: 1000 }],
      currency: 'EUR',
      payment: mode === 'charge' ? { mode, method: 'tok_visa' } : { mode },
    },
  };
}

/** Commits orders as one process of the flash lane does, under a group of their own. */
export async function commitGroup(pool: Pool, orders: readonly AskedOrder[]): Promise<CommitOutcome[]> {
  const groupId = randomUUID();
  await openGroup(pool, { groupId, process: 'test' });
  const outcomes = await commitOrders(pool, orders, {
    groupId,
    at: new Date().toISOString(),
    places: { temporalUiUrl: null, namespace: 'default' },
    phoneHash,
    rules: null,
    sender: null,
  });
  const byId = new Map(outcomes.map((outcome) => [outcome.orderId, outcome]));
  return orders.map(({ orderId }) => byId.get(orderId)!);
}

/** What came of each: `done`, or why not. */
export const codesOf = (outcomes: readonly CommitOutcome[]): string[] =>
  outcomes.map(({ state, outcome }) => (state === 'done' ? 'done' : (outcome.code ?? String(state))));

/** Reserved and sold units of the sale. */
export async function unitsOf(pool: Pool, saleId: string): Promise<{ reserved: number; sold: number }> {
  const { rows } = await pool.query<{ reserved: number; sold: number }>(
    'select reserved, sold from aftercommit.sales where sale_id = $1',
    [saleId],
  );
  return rows[0]!;
}

/** Units of each customer of the sale. */
export async function customersOf(pool: Pool, saleId: string): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ customer_id: string; units: number }>(
    'select customer_id, units from aftercommit.sale_customers where sale_id = $1 order by customer_id',
    [saleId],
  );
  return Object.fromEntries(rows.map((row) => [row.customer_id, row.units]));
}

/** Types of the sale's events, in order. */
export async function saleEvents(pool: Pool, saleId: string): Promise<string[]> {
  const { rows } = await pool.query<{ type: string }>(
    'select type from aftercommit.outbox where subject = $1 order by seq',
    [`sale/${saleId}`],
  );
  return rows.map(({ type }) => type);
}

/** Moves the sale's window into the past, as the time that passes does. */
export async function passTime(pool: Pool, saleId: string, column: 'opens_at' | 'closes_at'): Promise<void> {
  await pool.query(
    `update aftercommit.sales set ${column} = now() - case '${column}' when 'opens_at' then interval '2 ms' else interval '1 ms' end
     where sale_id = $1`,
    [saleId],
  );
}

/** What a connection that listens is told next. */
export function nextNotification(listener: PoolClient): Promise<string | undefined> {
  return new Promise((resolve) =>
    listener.once('notification', ({ payload }: { payload?: string | undefined }) => resolve(payload)),
  );
}
