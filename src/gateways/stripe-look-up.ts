import { GatewayUnavailableError } from '../errors';
import { answerChecks } from './answer-checks';
import type { JsonObject } from './http-exchange';
import { pathPart } from './http-exchange';
import type { Authorization, AuthorizationPage, FoundRefund, ListQuery } from './payments';
import { STRIPE, type StripeCall, type StripeHttp } from './stripe-http';
import { PAYMENT_ID, readIntent, readRefund, type Intent } from './stripe-objects';
import { textOf } from './webhook-reader';

const { requireText, unclear } = answerChecks(STRIPE);

/** Source: docs.stripe.com/api/pagination: at most 100. */
const PAGE_SIZE = 100;
/**
 * How far back what search may not know yet is read from the list, in milliseconds.
 * Source: docs.stripe.com/api/payment_intents/search: searchable "in less than a minute", up to an hour behind in outages.
 */
const SEARCH_LAG_MS = 60 * 60 * 1_000;
/** 2,000 PaymentIntents: what is made in the usual minute of lag at 33 a second. */
const RECENT_PAGES_MAX = 20;
/** A refund each for 2,000 parts of one order. */
const REFUND_PAGES_MAX = 20;

const WITH_REFUNDS = 'latest_charge.refunds';

/** @returns null when Stripe does not know it */
export async function retrieveIntent(http: StripeHttp, id: string): Promise<Intent | null> {
  const answer = await http.call({
    method: 'GET',
    path: `payment_intents/${pathPart(id)}`,
    params: { expand: [WITH_REFUNDS] },
  });
  if (answer.kind === 'done') return readIntent(answer.body);
  if (answer.kind === 'refused' && answer.status === 404) return null;
  throw refusedLookUp(answer.code);
}

/**
 * Authorizations of one payment, newest first. Search knows them all and lags; the list is exact and long. So the recent
 * ones are read from the list, and what only search knows is read again one by one, because search shows old states.
 */
export async function findIntents(http: StripeHttp, paymentId: string, now: Date): Promise<Authorization[]> {
  const recent = (await recentIntents(http, now)).filter((intent) => intent.paymentId === paymentId);
  const known = new Set(recent.map(({ id }) => id));
  const older: Intent[] = [];
  for (const id of await searchIds(http, paymentId)) {
    if (known.has(id)) continue;
    const intent = await retrieveIntent(http, id);
    if (intent?.paymentId === paymentId) older.push(intent);
  }
  older.sort((one, other) => other.createdAt.localeCompare(one.createdAt));
  return Promise.all([...recent, ...older].map((intent) => authorizationOf(http, intent)));
}

/** One page of the list; PaymentIntents of other integrations are left out. */
export async function listIntents(
  http: StripeHttp,
  { createdSince, after }: ListQuery,
): Promise<AuthorizationPage> {
  const { data, next } = await page(http, {
    method: 'GET',
    path: 'payment_intents',
    params: {
      created: { gte: Math.floor(Date.parse(createdSince) / 1_000) },
      limit: PAGE_SIZE,
      expand: [`data.${WITH_REFUNDS}`],
      ...(after === undefined ? {} : { starting_after: after }),
    },
  });
  const authorizations = data.map(readIntent).map(async (intent) => {
    const { paymentId, orderId, createdAt } = intent;
    if (paymentId === null || orderId === null) return [];
    return [{ ...(await authorizationOf(http, intent)), paymentId, orderId, createdAt }];
  });
  return { authorizations: (await Promise.all(authorizations)).flat(), next };
}

async function recentIntents(http: StripeHttp, now: Date): Promise<Intent[]> {
  const found: Intent[] = [];
  const gte = Math.floor((now.getTime() - SEARCH_LAG_MS) / 1_000);
  let after: string | null = '';
  for (let pages = 0; after !== null && pages < RECENT_PAGES_MAX; pages += 1) {
    const params = { created: { gte }, limit: PAGE_SIZE, expand: [`data.${WITH_REFUNDS}`] };
    const call: StripeCall = {
      method: 'GET',
      path: 'payment_intents',
      params: after === '' ? params : { ...params, starting_after: after },
    };
    const { data, next }: Page = await page(http, call);
    found.push(...data.map(readIntent));
    after = next;
  }
  return found;
}

async function searchIds(http: StripeHttp, paymentId: string): Promise<string[]> {
  const value = paymentId.replace(/[\\']/g, '\\$&');
  const answer = await http.call({
    method: 'GET',
    path: 'payment_intents/search',
    params: { query: `metadata['${PAYMENT_ID}']:'${value}'`, limit: PAGE_SIZE },
  });
  if (answer.kind !== 'done') throw refusedLookUp(answer.code);
  const { data } = answer.body;
  if (!Array.isArray(data)) throw unclear('data');
  return data.map((intent) => requireText(intent as JsonObject, 'id'));
}

/** @throws GatewayUnavailableError while Stripe is still at it */
async function authorizationOf(http: StripeHttp, intent: Intent): Promise<Authorization> {
  const { id, status, amountMinor, currency, chargeId } = intent;
  if (status === 'processing') throw unclear('status');
  const isCaptured = status === 'captured';
  const refunds = isCaptured ? (intent.refunds ?? (await allRefunds(http, chargeId))) : [];
  return {
    authorizationId: id,
    status,
    amountMinor,
    currency,
    captureId: isCaptured ? chargeId : null,
    refunds,
  };
}

async function allRefunds(http: StripeHttp, chargeId: string | null): Promise<FoundRefund[]> {
  if (chargeId === null) throw unclear('latest_charge');
  const found: FoundRefund[] = [];
  let after: string | null = '';
  for (let pages = 0; after !== null; pages += 1) {
    if (pages === REFUND_PAGES_MAX) throw unclear('refunds');
    const params = { charge: chargeId, limit: PAGE_SIZE };
    const { data, next }: Page = await page(http, {
      method: 'GET',
      path: 'refunds',
      params: after === '' ? params : { ...params, starting_after: after },
    });
    found.push(...data.flatMap(readRefund));
    after = next;
  }
  return found.reverse();
}

interface Page {
  data: unknown[];
  next: string | null;
}

async function page(http: StripeHttp, call: StripeCall): Promise<Page> {
  const answer = await http.call(call);
  if (answer.kind !== 'done') throw refusedLookUp(answer.code);
  const { data, has_more: hasMore } = answer.body;
  if (!Array.isArray(data) || typeof hasMore !== 'boolean') throw unclear('data');
  const last = data.at(-1) as JsonObject | undefined;
  return { data, next: hasMore && last !== undefined ? textOf(last, 'id') : null };
}

/** A look-up is never refused for what it looks for; whatever this is, it may be different later. */
function refusedLookUp(code: string): GatewayUnavailableError {
  return new GatewayUnavailableError(`look-up refused (${code})`);
}
