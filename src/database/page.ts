import type { Pool } from 'pg';
import { MalformedRequestError } from '../errors';
import { statement } from './transaction';

/** Newest first; `nextCursor` is null on the last page. */
export interface Page<View> {
  data: View[];
  nextCursor: string | null;
}

interface PageRow {
  page_id: string;
  page_at: string;
}

/**
 * Runs a query page by page, ordered by time and id, newest first. The query must give `page_at` and `page_id`.
 * @param query.text - ends in a where clause; its parameters are `values`
 * @throws MalformedRequestError when the cursor was not made here
 */
export async function pageOf<View, Row extends object>(
  pool: Pool,
  query: {
    text: string;
    values: unknown[];
    page: { limit: number; cursor?: string | undefined };
    view: (row: Row) => View;
  },
): Promise<Page<View>> {
  const { limit } = query.page;
  const after = query.page.cursor === undefined ? null : readCursor(query.page.cursor);
  const n = query.values.length;
  const rows = await statement<Row & PageRow>(
    pool,
    `select * from (${query.text}) as rows_of_page
     where ($${n + 1}::timestamptz is null or (page_at, page_id) < ($${n + 1}::timestamptz, $${n + 2}::uuid))
     order by page_at desc, page_id desc limit $${n + 3}`,
    [...query.values, after?.at ?? null, after?.id ?? null, limit + 1],
  );
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { data: data.map(query.view), nextCursor: more ? writeCursor(last) : null };
}

function writeCursor(row: PageRow): string {
  return Buffer.from(`${row.page_at} ${row.page_id}`, 'utf8').toString('base64url');
}

const CURSOR =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z) ([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$/;

function readCursor(cursor: string): { at: string; id: string } {
  const found = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (found === null || !isMoment(found[1]!)) {
    throw new MalformedRequestError('The cursor is not one that this service gave out.', {
      fields: [{ pointer: '/cursor', message: 'take nextCursor of the page before' }],
    });
  }
  return { at: found[1]!, id: found[2]! };
}

/** True for a day that exists, in a year that PostgreSQL knows: a forged cursor must not become a failed statement. */
function isMoment(text: string): boolean {
  const moment = new Date(text);
  return !Number.isNaN(moment.getTime()) && moment.toISOString() === text && moment.getUTCFullYear() > 0;
}
