import type { Request, Response } from 'express';
import { fingerprintOf } from '../database/installation';
import { orderIdOf } from '../database/ids';
import { readRequest, type StoredAnswer } from '../database/requests';
import type { OrderRequest } from '../domain/orders';
import { IdempotencyKeyReusedError, ParticipantMissingError } from '../errors';
import type { HttpDeps } from './deps';
import { idempotencyKeyOf } from './idempotency-key';
import { readJsonBody } from './json-body';
import { NewOrder } from './new-order';
import { assertAllowedCountry, countryOf } from './phone-numbers';
import { PROBLEM_MEDIA_TYPE } from './problems';
import { checkBody } from './validation';

/** What requests for an order have in common, in whatever lane it is decided. */

/** One request to place an order, checked: from here on it has an id of its own, and repeating it is safe. */
export interface PlacedRequest {
  orderId: string;
  caller: string;
  fingerprint: string;
  body: OrderRequest;
}

/** @param path - of the request, with the sale's id where it is of one: the same key on another path is another request */
export async function readPlacedRequest(
  deps: Pick<HttpDeps, 'installation' | 'countries'>,
  req: Request,
  { caller, path }: { caller: string; path: string },
): Promise<PlacedRequest> {
  const key = idempotencyKeyOf(req);
  const sent = await readJsonBody(req);
  const body = checkBody(NewOrder, sent);
  const country = countryOf(body.customer.phone);
  assertAllowedCountry(country, deps.countries, '/customer/phone');
  const { installation } = deps;
  return {
    orderId: orderIdOf(installation.namespace, caller, key),
    caller,
    // Over the body as it was sent: a default that changes later must not make a repeat look like another order.
    fingerprint: fingerprintOf(installation, 'POST', path, sent),
    body: { ...body, customer: { ...body.customer, country } },
  };
}

/**
 * Nobody is there who could carry it out. An order that was accepted while there was somebody keeps its answer.
 * @throws ParticipantMissingError
 */
export async function refuseMissing(
  { participants, pool }: Pick<HttpDeps, 'participants' | 'pool'>,
  { orderId, body }: PlacedRequest,
): Promise<void> {
  const missing = [
    ...(body.shipping !== undefined && !participants.carrier ? [['shipping', 'carrier']] : []),
    ...(body.cartId !== undefined && !participants.cart ? [['cartId', 'shopping cart']] : []),
  ];
  if (missing.length === 0 || (await readRequest(pool, orderId)) !== null) return;
  const fields = missing.map(([member, what]) => ({
    pointer: `/${member}`,
    message: `no ${what} is configured`,
  }));
  throw new ParticipantMissingError('This installation has nobody who could do what the order needs.', {
    fields,
  });
}

/** @throws IdempotencyKeyReusedError when the key belongs to a request with another fingerprint */
export function refuseOtherBody(known: { fingerprint: string | null }, request: PlacedRequest): void {
  if (known.fingerprint === request.fingerprint) return;
  throw new IdempotencyKeyReusedError('This Idempotency-Key was used with another body.');
}

/** The stored bytes, untouched. */
export function sendStored(res: Response, answer: StoredAnswer, replayed: boolean): void {
  const committed = answer.status < 400;
  if (!committed) res.removeHeader('Location');
  if (replayed) res.setHeader('Idempotent-Replayed', 'true');
  res
    .status(answer.status)
    .type(committed ? 'application/json' : PROBLEM_MEDIA_TYPE)
    .send(answer.body);
}
