import { grouped, sumOf, type Evidence, type LogEntry } from './evidence';

/** One line of the statement: all orders that ended in one state. Amounts in minor units of the one currency. */
export interface StatementLine {
  status: string;
  orders: number;
  /** What these orders are worth. */
  totalMinor: number;
  /** By the gateway's own log. */
  capturedMinor: number;
  refundedMinor: number;
  /** What the gateway refuses to give back, and an operator gives back by other means. */
  owedMinor: number;
  /** What callers asked to have given back of orders that stand. */
  askedBackMinor: number;
  /** What must have been kept: the total of what stands, without what was asked back; and what is owed. */
  expectedNetMinor: number;
  units: number;
}

export interface Statement {
  lines: StatementLine[];
  stock: { putIn: number; available: number; reserved: number; sold: number; ordered: number };
}

interface Row {
  order_id: string;
  status: string;
  total: number;
  mode: string;
  units: number;
  owed: number;
  asked_back: number;
  is_restocked: boolean;
}

const ORDERS = `
  select o.order_id, o.status, o.total_minor::float8 as total, o.payment_mode as mode,
    (select sum(l.quantity)::int from aftercommit.order_lines l where l.order_id = o.order_id) as units,
    (select coalesce(sum(f.amount_minor), 0)::float8 from aftercommit.refunds f join aftercommit.payments p using (payment_id)
     where f.order_id = o.order_id and (f.state = 'PARKED' or f.state = 'FAILED' and p.undone_at is not null)) as owed,
    (select coalesce(sum(f.amount_minor), 0)::float8 from aftercommit.refunds f join aftercommit.payments p using (payment_id)
     where f.order_id = o.order_id and f.state <> 'FAILED' and p.undone_at is null) as asked_back,
    exists (select 1 from aftercommit.refunds f where f.order_id = o.order_id and f.restock and f.state = 'DONE') as is_restocked
  from aftercommit.orders o`;

const STANDING = ['CONFIRMED', 'SHIPPED', 'COMPLETED'];

/** Where all money and all goods are: the gateway's log held against the orders. Shares no code with the product. */
export async function statementOf({ database, payments }: Evidence): Promise<Statement> {
  const { rows } = await database.query<Row>(ORDERS);
  const facts = grouped(payments, (entry) => `${String(entry['orderId'])} ${entry.type}`);
  const lines = [...grouped(rows, (row) => row.status)].map(([status, own]) => lineOf(status, own, facts));
  const { rows: shelves } = await database.query<Record<'available' | 'reserved' | 'sold', number>>(
    'select sum(available)::int as available, sum(reserved)::int as reserved, sum(sold)::int as sold from aftercommit.inventory',
  );
  const { rows: put } = await database.query<{ units: number }>(
    `select coalesce(sum((detail ->> 'delta')::int), 0)::int as units from aftercommit.audit where action = 'inventory.set'`,
  );
  const standing = rows.filter((row) => STANDING.includes(row.status) && !row.is_restocked);
  return {
    lines: lines.sort((one, other) => (one.status < other.status ? -1 : 1)),
    stock: { putIn: put[0]!.units, ...shelves[0]!, ordered: sumOf(standing.map((row) => row.units)) },
  };
}

function lineOf(
  status: string,
  rows: readonly Row[],
  facts: ReadonlyMap<string, readonly LogEntry[]>,
): StatementLine {
  const moved = (type: string): number =>
    sumOf(rows.flatMap((row) => facts.get(`${row.order_id} ${type}`) ?? []).map(amountOf));
  const paid = rows.filter((row) => STANDING.includes(status) && row.mode !== 'none');
  const owedMinor = sumOf(rows.map((row) => row.owed));
  const askedBackMinor = sumOf(paid.map((row) => row.asked_back));
  return {
    status,
    orders: rows.length,
    totalMinor: sumOf(rows.map((row) => row.total)),
    capturedMinor: moved('captured'),
    refundedMinor: moved('refunded'),
    owedMinor,
    askedBackMinor,
    expectedNetMinor: sumOf(paid.map((row) => row.total)) - askedBackMinor + owedMinor,
    units: sumOf(rows.map((row) => row.units)),
  };
}

const amountOf = (entry: LogEntry): number => Number(entry['amountMinor']);

const HEAD = [...['orders that ended', 'orders', 'worth', 'captured', 'refunded', 'net', 'must be', 'owed']];

/** In Markdown; amounts with two decimals. */
export function statementText({ lines, stock }: Statement): string {
  const money = (minor: number): string => (minor / 100).toFixed(2);
  const cellsOf = (line: StatementLine): string[] => [
    line.status,
    String(line.orders),
    money(line.totalMinor),
    money(line.capturedMinor),
    money(line.refundedMinor),
    money(netOf(line)),
    money(line.expectedNetMinor),
    money(line.owedMinor),
  ];
  const table = [
    HEAD,
    ['---', ...HEAD.slice(1).map(() => '---:')],
    ...lines.map(cellsOf),
    cellsOf(sum(lines)),
  ];
  const { putIn, available, reserved, sold, ordered } = stock;
  return [
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `stock: ${putIn} put in = ${available} available + ${reserved} reserved + ${sold} sold; ${ordered} in orders that stand`,
  ].join('\n');
}

export function netOf({ capturedMinor, refundedMinor }: StatementLine): number {
  return capturedMinor - refundedMinor;
}

function sum(lines: readonly StatementLine[]): StatementLine {
  const of = (member: Exclude<keyof StatementLine, 'status'>): number =>
    sumOf(lines.map((line) => line[member]));
  return {
    status: '**all**',
    orders: of('orders'),
    totalMinor: of('totalMinor'),
    capturedMinor: of('capturedMinor'),
    refundedMinor: of('refundedMinor'),
    owedMinor: of('owedMinor'),
    askedBackMinor: of('askedBackMinor'),
    expectedNetMinor: of('expectedNetMinor'),
    units: of('units'),
  };
}
