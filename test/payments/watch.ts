import type { Pool } from 'pg';

/** How far an order is, as far as who waits for it must know. */
export interface Progress {
  orderId: string;
  status: string;
  paymentStatus: string;
  /** Null when it does not ship, or is not confirmed yet. */
  shipment: string | null;
  /** A payment for it is under way. */
  isPaying: boolean;
  /** The gateway's name for the last payment that waits for its customer. */
  waitingAuthorization: string | null;
  openRefunds: number;
}

interface Waiting {
  orderId: string;
  what: string;
  isThere: (progress: Progress) => boolean;
  giveUpAt: number;
  resolve: (progress: Progress) => void;
  reject: (error: Error) => void;
}

/** All that is waited for is asked for together: hundreds wait at once beside the work. */
const POLL_MS = 150;
/** A call that is repeated until its key is forgotten takes 20 s, an order has up to three of them, and cores are few. */
const DEADLINE_MS = 180_000;

const READ = `
  select o.order_id as "orderId", o.status, o.payment_status as "paymentStatus", s.state as shipment,
    exists (select 1 from aftercommit.payments p where p.order_id = o.order_id and p.undone_at is null
              and p.state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED')) as "isPaying",
    (select p.authorization_id from aftercommit.payments p where p.order_id = o.order_id and p.state = 'REQUIRES_ACTION'
     order by p.created_at desc limit 1) as "waitingAuthorization",
    (select count(*)::int from aftercommit.refunds f where f.order_id = o.order_id
       and (f.state = 'PENDING' or exists (select 1 from aftercommit.parked_steps k
              where k.order_id = f.order_id and k.step = 'refund:' || f.refund_id and k.state = 'OPEN'))) as "openRefunds"
  from aftercommit.orders o left join aftercommit.shipments s using (order_id) where o.order_id = any($1)`;

/** Tells when orders have come so far. */
export class Watch {
  #waiting: Waiting[] = [];
  #isOver = false;

  constructor(readonly pool: Pool) {}

  /** @throws Error that names what was waited for */
  until(orderId: string, what: string, isThere: (progress: Progress) => boolean): Promise<Progress> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ orderId, what, isThere, giveUpAt: Date.now() + DEADLINE_MS, resolve, reject });
    });
  }

  /** Looks again and again, until `end`. */
  async run(): Promise<void> {
    while (!this.#isOver) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  end(): void {
    this.#isOver = true;
  }

  async #look(): Promise<void> {
    const asked = this.#waiting;
    if (asked.length === 0) return;
    const { rows } = await this.pool.query<Progress>(READ, [asked.map(({ orderId }) => orderId)]);
    const known = new Map(rows.map((row) => [row.orderId, row]));
    this.#waiting = [
      ...asked.filter((one) => !answer(one, known.get(one.orderId))),
      ...this.#waiting.filter((one) => !asked.includes(one)),
    ];
  }
}

function answer(
  { orderId, what, isThere, giveUpAt, resolve, reject }: Waiting,
  now: Progress | undefined,
): boolean {
  if (now !== undefined && isThere(now)) {
    resolve(now);
    return true;
  }
  if (Date.now() < giveUpAt) return false;
  reject(new Error(`${orderId} was not ${what}: ${JSON.stringify(now)}`));
  return true;
}
