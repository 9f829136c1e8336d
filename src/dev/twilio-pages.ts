import { messageResource, type AcceptedMessage } from './twilio-messages';

/** Twilio's default and maximum of PageSize. Source: Twilio, "Twilio's response", paging. */
const PAGE_SIZE = { default: 50, max: 1000 };

/**
 * One page of the Messages list: newest first, filtered as Twilio does. A message that was not sent yet has no
 * date_sent, so every DateSent filter leaves it out: that is why look-ups must not use one.
 */
export function messagesPage(options: {
  path: string;
  query: URLSearchParams;
  messages: AcceptedMessage[];
}): Record<string, unknown> {
  const { path, query } = options;
  const size = Math.min(wholeNumber(query.get('PageSize'), PAGE_SIZE.default) || 1, PAGE_SIZE.max);
  const page = wholeNumber(query.get('Page'), 0);
  const matching = options.messages.filter((message) => matches(message, query)).reverse();
  // A token keeps a page where it was although newer messages arrive in between, like Twilio's PageToken.
  const tokenAt = matching.findIndex((message) => `PA${message.sid}` === query.get('PageToken'));
  const start = tokenAt === -1 ? page * size : tokenAt + 1;
  const shown = matching.slice(start, start + size);
  const last = shown.at(-1);
  const more = start + size < matching.length && last !== undefined;

  return {
    messages: shown.map(messageResource),
    page,
    page_size: size,
    start: page * size,
    end: Math.max(page * size + shown.length - 1, 0),
    uri: pageUri(path, query, { size, page: query.has('Page') ? page : null, token: query.get('PageToken') }),
    first_page_uri: pageUri(path, query, { size, page: 0, token: null }),
    previous_page_uri: page === 0 ? null : pageUri(path, query, { size, page: page - 1, token: null }),
    next_page_uri: more ? pageUri(path, query, { size, page: page + 1, token: `PA${last.sid}` }) : null,
  };
}

function matches(message: AcceptedMessage, query: URLSearchParams): boolean {
  const to = query.get('To');
  const from = query.get('From');
  if (to !== null && to !== '' && message.to !== to) return false;
  if (from !== null && from !== '' && message.from !== from) return false;
  return ![...query.keys()].some((name) => /^DateSent[<>]?$/.test(name));
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
