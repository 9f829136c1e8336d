import { Router, type Request } from 'express';
import {
  recordPaymentReport,
  recordShipmentReport,
  type ReportOutcome,
} from '../database/participant-reports';
import { requestUndo } from '../database/refunds';
import type { CarrierEvent } from '../gateways/carrier-webhooks';
import type { PaymentEvent } from '../gateways/payment-webhooks';
import type { WebhookReader } from '../gateways/webhook-reader';
import { MalformedRequestError, SignatureRefusedError } from '../errors';
import { assertTemporal, requireDatabase } from './availability';
import { startRefund, wakeOrder } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readBody } from './json-body';
import { answers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { z } from './zod';

/** What the gateway and the carrier tell on their own. No key: the signature says who it is from. */
export function participantWebhooksRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  const { payments, stripe, carrier } = deps.participantWebhooks;
  const bind = <Event extends object>(
    path: string,
    reader: WebhookReader<Event> | null,
    record: (event: Event) => Promise<ReportOutcome>,
  ): void => route(router, path, { post: { handle: withDatabase(hear(deps, reader, record)) } });
  bind('/webhooks/payments', payments, (event) => recordPayment(deps, event));
  bind('/webhooks/stripe', stripe, (event) => recordPayment(deps, event));
  bind('/webhooks/carrier', carrier, (event) => recordShipment(deps, event));
  return router;
}

/**
 * Times are ours: events of an order are told in the order in which they are written, whatever the sender's clock says.
 */
const now = (): string => new Date().toISOString();

/** The rows first, then who has to look at them. A repeat does both again, and reconciliation finds what was lost. */
function hear<Event extends object>(
  deps: HttpDeps,
  reader: WebhookReader<Event> | null,
  record: (event: Event) => Promise<ReportOutcome>,
): Handler {
  return async (req, res) => {
    const event = await readSigned(deps, reader, req);
    if (event !== null) await follow(deps, await record(event));
    res.status(204).end();
  };
}

/**
 * @returns null for a type that nobody here needs
 * @throws SignatureRefusedError (403), MalformedRequestError (400)
 */
async function readSigned<Event extends object>(
  { log }: HttpDeps,
  reader: WebhookReader<Event> | null,
  req: Request,
): Promise<Event | null> {
  if (reader === null) {
    throw new SignatureRefusedError(
      'No secret is configured for this webhook, so no signature can be checked.',
    );
  }
  const reading = reader.read({ headers: req.headers, body: await readBody(req) });
  switch (reading.kind) {
    case 'event':
      if (!isStorable(reading.event)) throw new MalformedRequestError(REFUSALS.bad_content);
      return reading.event;
    case 'ignored':
      log.debug({ type: reading.type }, 'a webhook of a type that is not needed');
      return null;
    case 'refused':
      if (reading.reason === 'wrong_signature')
        throw new SignatureRefusedError('The signature is not that of this body.');
      throw new MalformedRequestError(REFUSALS[reading.reason]);
  }
}

/** Longer names are nobody's. Characters. */
const TEXT_LENGTH_MAX = 255;

/** What PostgreSQL takes as text, and nobody abuses as a store. */
function isStorable(event: object): boolean {
  return Object.values(event).every(
    (value) => typeof value !== 'string' || (value.length <= TEXT_LENGTH_MAX && !value.includes('\u0000')),
  );
}

const REFUSALS = {
  malformed: 'The headers that sign this webhook are missing or malformed.',
  too_old: 'The timestamp is too old.',
  in_the_future: 'The timestamp is in the future.',
  bad_content: 'The body is not what its type promises.',
} as const;

const CHANGES = {
  'payment.authorized': 'AUTHORIZED',
  'payment.declined': 'DECLINED',
  'payment.captured': 'CAPTURED',
  'payment.voided': 'VOIDED',
} as const;

function recordPayment({ pool }: HttpDeps, event: PaymentEvent): Promise<ReportOutcome> {
  const { id, type, ...payment } = event;
  return recordPaymentReport(pool, {
    ...payment,
    reportId: id,
    type,
    at: now(),
    change: CHANGES[type],
  });
}

const TRACKED = {
  'shipment.shipped': 'SHIPPED',
  'shipment.delivered': 'DELIVERED',
  'shipment.returned': 'RETURNED',
} as const;

function recordShipment({ pool }: HttpDeps, event: CarrierEvent): Promise<ReportOutcome> {
  const { id, type, shipmentId, trackingId } = event;
  return recordShipmentReport(pool, {
    reportId: id,
    type,
    at: now(),
    shipmentId,
    trackingId,
    state: TRACKED[type],
  });
}

async function follow(deps: HttpDeps, { wakeOrder: orderId, giveBack }: ReportOutcome): Promise<void> {
  if (orderId === null && giveBack === null) return;
  // A refund that is asked for and not started is found by reconciliation, and by the gateway's next try.
  const refundId = giveBack === null ? null : await requestUndo(deps.pool, giveBack);
  assertTemporal(deps.health);
  if (giveBack !== null && refundId !== null)
    await startRefund(deps, { refundId, orderId: giveBack.orderId });
  if (orderId !== null) await wakeOrder(deps, orderId);
}

const PROBLEMS = [400, 403, 413, 503];
const signed = z.object({
  'webhook-id': z.string(),
  'webhook-timestamp': z.string().openapi({ description: 'Seconds since 1970' }),
  'webhook-signature': z.string().openapi({ description: '`v1,` and the HMAC in base64, one or more' }),
});
const told = z.looseObject({
  type: z.string(),
  timestamp: z.string(),
  data: z.record(z.string(), z.unknown()),
});

export const participantWebhookOperations: Operation[] = [
  {
    method: 'post',
    path: '/webhooks/payments',
    tags: ['Webhooks'],
    security: [],
    summary: 'What the payment gateway tells: authorized, declined, captured, voided',
    request: { headers: signed, body: jsonBody(told) },
    responses: answers({ 204: null }, PROBLEMS),
  },
  {
    method: 'post',
    path: '/webhooks/stripe',
    tags: ['Webhooks'],
    security: [],
    summary: 'The same in the words of Stripe',
    request: {
      headers: z.object({ 'stripe-signature': z.string() }),
      body: jsonBody(z.looseObject({ id: z.string(), type: z.string() })),
    },
    responses: answers({ 204: null }, PROBLEMS),
  },
  {
    method: 'post',
    path: '/webhooks/carrier',
    tags: ['Webhooks'],
    security: [],
    summary: 'What the carrier tells: shipped, delivered, returned',
    request: { headers: signed, body: jsonBody(told) },
    responses: answers({ 204: null }, PROBLEMS),
  },
];
