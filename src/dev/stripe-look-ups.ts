import { jsonAnswer, type FakeRequest } from './fake-server';
import { invalid, missing, type Answer } from './stripe-errors';
import type { StripeCharge, StripeIntent, StripeLedger } from './stripe-ledger';

/** Source: docs.stripe.com/api/pagination. */
const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 100;
/** An expanded charge shows its most recent refunds only. Source: docs.stripe.com/api/charges/object, `refunds`. */
const EXPANDED_REFUNDS_MAX = 10;

/** GET: nothing changes. @param searchLagMs - how young a PaymentIntent is that search does not know yet */
export function lookUp(ledger: StripeLedger, request: FakeRequest, searchLagMs: number): Answer {
  const { path, query } = request;
  if (path === '/v1/payment_intents') return listIntents(ledger, query);
  if (path === '/v1/payment_intents/search') return search(ledger, query, searchLagMs);
  if (path === '/v1/refunds') {
    return pageOf(ledger.refundsOf(query.get('charge') ?? ''), query, '/v1/refunds', (refund) => refund);
  }
  const [, kind = '', id = ''] = /^\/v1\/(payment_intents|charges)\/([^/]+)$/.exec(path) ?? [];
  if (kind === 'charges') {
    const charge = ledger.charges.get(id);
    return charge ? jsonAnswer(200, charge) : missing('charge', id, 'charge');
  }
  const intent = kind === '' ? undefined : ledger.intents.get(id);
  return intent
    ? jsonAnswer(200, expanded(ledger, intent, query, ''))
    : missing('payment_intent', id, 'intent');
}

function listIntents(ledger: StripeLedger, query: URLSearchParams): Answer {
  const since = Number(query.get('created[gte]') ?? 0);
  if (!Number.isSafeInteger(since)) return invalid('created[gte]', 'parameter_invalid_integer');
  const newestFirst = [...ledger.intents.values()].reverse().filter(({ created }) => created >= since);
  return pageOf(newestFirst, query, '/v1/payment_intents', (one) => expanded(ledger, one, query, 'data.'));
}

function pageOf<T extends { id: string }>(
  all: T[],
  query: URLSearchParams,
  url: string,
  show: (one: T) => unknown,
): Answer {
  const limit = limitOf(query);
  if (limit === null) return invalid('limit', 'parameter_invalid_integer');
  const after = query.get('starting_after');
  const from = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== null && from === 0) return missing('object', after, 'starting_after');
  const data = all.slice(from, from + limit).map(show);
  return jsonAnswer(200, { object: 'list', url, has_more: from + limit < all.length, data });
}

/** One clause of Stripe's query language, the one that is needed here. Source: docs.stripe.com/search. */
const METADATA_QUERY = /^metadata\['([a-z_]+)'\]:'((?:[^'\\]|\\.)*)'$/;

function search(ledger: StripeLedger, query: URLSearchParams, searchLagMs: number): Answer {
  const [, name, quoted] = METADATA_QUERY.exec(query.get('query') ?? '') ?? [];
  const limit = limitOf(query);
  if (name === undefined || quoted === undefined || limit === null) return invalid('query');
  const value = quoted.replace(/\\(.)/g, '$1');
  const before = (Date.now() - searchLagMs) / 1_000;
  const found = [...ledger.intents.values()].filter(
    ({ created, metadata }) => created <= before && metadata[name] === value,
  );
  const url = '/v1/payment_intents/search';
  // What the search shows may be old. The worst case: every PaymentIntent as it was made.
  const data = found.slice(0, limit).map((intent) => ({ ...intent, status: 'processing' }));
  return jsonAnswer(200, { object: 'search_result', url, has_more: found.length > limit, data });
}

function limitOf(query: URLSearchParams): number | null {
  const limit = Number(query.get('limit') ?? LIMIT_DEFAULT);
  return Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX ? limit : null;
}

/** Source: docs.stripe.com/expand. */
function expanded(
  ledger: StripeLedger,
  intent: StripeIntent,
  query: URLSearchParams,
  prefix: string,
): unknown {
  const isWanted = query.getAll('expand[]').includes(`${prefix}latest_charge.refunds`);
  const charge = isWanted ? ledger.charges.get(intent.latest_charge ?? '') : undefined;
  return charge ? { ...intent, latest_charge: withRefunds(ledger, charge) } : intent;
}

function withRefunds(ledger: StripeLedger, charge: StripeCharge): unknown {
  const all = ledger.refundsOf(charge.id);
  const refunds = {
    object: 'list',
    data: all.slice(0, EXPANDED_REFUNDS_MAX),
    has_more: all.length > EXPANDED_REFUNDS_MAX,
    url: `/v1/charges/${charge.id}/refunds`,
  };
  return { ...charge, refunds };
}
