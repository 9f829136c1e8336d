import type { Pool } from '../database/pool';

/** How far everything is, by the database. */
export interface Progress {
  quantity: number;
  reserved: number;
  sold: number;
  payments: { paid: number; declined: number; underWay: number; givenBack: number };
  /** Orders whose units came back: not paid for in time, or put back by their buyer. */
  expired: number;
  cancelled: number;
  events: { published: number; all: number };
  messages: { delivered: number; all: number };
  /** What is not at its end. */
  open: number;
}

/** Some thousand rows at most: read in milliseconds. */
const READ = `
  select s.quantity, s.reserved, s.sold,
    (select json_build_object(
       'paid', count(*) filter (where state = 'CAPTURED' and undone_at is null),
       'declined', count(*) filter (where state = 'DECLINED'),
       'underWay', count(*) filter (where state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED')),
       'givenBack', count(*) filter (where refunded_minor > 0 or state = 'VOIDED')) from aftercommit.payments) as payments,
    (select count(*)::int from aftercommit.orders where status = 'EXPIRED') as expired,
    (select count(*)::int from aftercommit.orders where status = 'CANCELLED') as cancelled,
    (select json_build_object('published', count(published_at), 'all', count(*)) from aftercommit.outbox) as events,
    (select json_build_object('delivered', count(*) filter (where status = 'DELIVERED'), 'all', count(*))
     from aftercommit.notifications) as messages,
    ((select count(*) from aftercommit.orders where status in ('PENDING_PAYMENT', 'COMPENSATING'))
     + (select count(*) from aftercommit.payments where state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED'))
     + (select count(*) from aftercommit.refunds where state = 'PENDING')
     + (select count(*) from aftercommit.outbox where routed_at is null)
     + (select count(*) from aftercommit.deliveries where state in ('READY', 'SENDING'))
     + (select count(*) from aftercommit.notifications where status = 'PENDING')
     + (select count(*) from aftercommit.notification_attempts where state in ('READY', 'SENDING', 'AMBIGUOUS'))
     + (select count(*) from aftercommit.groups where state = 'CLOSED'))::int as open
  from aftercommit.sales s where s.sale_id = $1`;

/** @throws Error when the database does not answer */
export async function readProgress(pool: Pool, saleId: string): Promise<Progress> {
  const { rows } = await pool.query<Progress>(READ, [saleId]);
  if (rows[0] === undefined) throw new RangeError('the sale of the demo is not there');
  return rows[0];
}
