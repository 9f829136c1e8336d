import type { TwilioRecord } from './twilio-records';

/** Twilio's default and maximum of PageSize. Source: Twilio, "Twilio's response", paging. */
const PAGE_SIZE = { default: 50, max: 1000 };

/** What one list shows and which filters it has. */
export interface TwilioList<Kind extends TwilioRecord> {
  /** The member that holds the records, and the last part of the path. */
  name: 'messages' | 'calls';
  resource: (record: Kind) => Record<string, unknown>;
  /** Filters by time, by their name in the query. A record without that time is left out by each of them. */
  times: Record<string, (record: Kind) => string | null>;
}

/**
 * One page of a list: newest first, filtered as Twilio does. A message that was not sent yet has no date_sent, so every
 * DateSent filter leaves it out: that is why look-ups must not use one.
 */
export function pageOf<Kind extends TwilioRecord>(options: {
  list: TwilioList<Kind>;
  path: string;
  query: URLSearchParams;
  /** Oldest first, already those to the query's To. */
  records: readonly Kind[];
  isVisible: (record: Kind) => boolean;
}): Record<string, unknown> {
  const { list, path, query } = options;
  const size = Math.min(wholeNumber(query.get('PageSize'), PAGE_SIZE.default) || 1, PAGE_SIZE.max);
  const page = wholeNumber(query.get('Page'), 0);
  const { shown, hasMore } = selectPage(options, size, page);
  const last = shown.at(-1);

  return {
    [list.name]: shown.map(list.resource),
    page,
    page_size: size,
    start: page * size,
    end: Math.max(page * size + shown.length - 1, 0),
    uri: pageUri(path, query, { size, page: query.has('Page') ? page : null, token: query.get('PageToken') }),
    first_page_uri: pageUri(path, query, { size, page: 0, token: null }),
    previous_page_uri: page === 0 ? null : pageUri(path, query, { size, page: page - 1, token: null }),
    next_page_uri:
      hasMore && last ? pageUri(path, query, { size, page: page + 1, token: `PA${last.sid}` }) : null,
  };
}

function selectPage<Kind extends TwilioRecord>(
  options: Pick<Parameters<typeof pageOf<Kind>>[0], 'list' | 'query' | 'records' | 'isVisible'>,
  size: number,
  page: number,
): { shown: Kind[]; hasMore: boolean } {
  const { list, query, records, isVisible } = options;
  // A token keeps a page where it was although newer records arrive in between, like Twilio's PageToken.
  const token = query.get('PageToken');
  const tokenAt = token === null ? -1 : records.findLastIndex(({ sid }) => `PA${sid}` === token);
  let skip = tokenAt === -1 ? page * size : 0;
  const shown: Kind[] = [];
  for (let place = tokenAt === -1 ? records.length - 1 : tokenAt - 1; place >= 0; place -= 1) {
    const record = records[place] as Kind;
    if (!isVisible(record) || !matches(record, query, list)) continue;
    if (skip > 0) skip -= 1;
    else if (shown.length === size) return { shown, hasMore: true };
    else shown.push(record);
  }
  return { shown, hasMore: false };
}

function matches<Kind extends TwilioRecord>(
  record: Kind,
  query: URLSearchParams,
  list: TwilioList<Kind>,
): boolean {
  const resource = list.resource(record);
  for (const [name, member] of [
    ['To', 'to'],
    ['From', 'from'],
    ['Status', 'status'],
  ] as const) {
    // Twilio has this filter for calls only, and passes over a parameter that it does not know.
    if (name === 'Status' && list.name !== 'calls') continue;
    const wanted = query.get(name);
    if (wanted !== null && wanted !== '' && resource[member] !== wanted) return false;
  }
  return Object.entries(list.times).every(([name, timeOf]) => matchesTime(name, timeOf(record), query));
}

/** Source: Message resource, "Read multiple Message resources": `DateSent`, `DateSent<` and `DateSent>`, all inclusive. */
function matchesTime(name: string, time: string | null, query: URLSearchParams): boolean {
  return ['', '<', '>'].every((comparison) => {
    const wanted = query.get(`${name}${comparison}`);
    if (wanted === null || wanted === '') return true;
    if (time === null) return false;
    // A day without a time means all of that day; everything else is exact to the second.
    const precision = /^\d{4}-\d\d-\d\d$/.test(wanted) ? 10 : 19;
    const wantedMs = Date.parse(wanted);
    if (Number.isNaN(wantedMs)) return false;
    const [shown, limit] = [time, new Date(wantedMs).toISOString()].map((at) => at.slice(0, precision));
    if (shown === undefined || limit === undefined) return false;
    return comparison === '' ? shown === limit : comparison === '<' ? shown <= limit : shown >= limit;
  });
}

function pageUri(
  path: string,
  query: URLSearchParams,
  at: { size: number; page: number | null; token: string | null },
): string {
  const next = new URLSearchParams(query);
  next.set('PageSize', String(at.size));
  next.delete('Page');
  next.delete('PageToken');
  if (at.page !== null) next.set('Page', String(at.page));
  if (at.token !== null) next.set('PageToken', at.token);
  return `${path}?${next.toString()}`;
}

function wholeNumber(text: string | null, fallback: number): number {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : fallback;
}
