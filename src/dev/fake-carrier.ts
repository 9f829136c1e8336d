import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Shipment } from '../gateways/carrier';
import type { LedgerFact } from '../gateways/ledger-fact';
import { ShipmentsLedger, simulatedRefusal } from '../gateways/shipments-ledger';
import type { EvidenceLog } from './evidence-log';
import { runFakeCommand, type FakeCommand } from './fake-command';
import {
  jsonAnswer,
  parseJson,
  startFakeServer,
  type FakeAnswer,
  type FakeRequest,
  type FakeServer,
  type FakeServerOptions,
} from './fake-server';
import {
  decodePart,
  failure,
  ParticipantFake,
  type ParticipantOperation,
  type ParticipantRules,
} from './participant-fake';
import { destinationIn, type WebhookDestination, type WebhookEvent } from './signed-webhooks';

/**
 * Default port 4013.
 * `node dist/dev/fake-carrier.js --port 4013 --log FILE [--webhook-url URL] [--webhook-secrets FILE]`
 */
export const FAKE_CARRIER: FakeCommand = { name: 'fake-carrier', defaultPort: 4013, webhooks: true };

const text = z.string().min(1).max(255);
const bookBody = z.strictObject({
  orderId: text,
  address: z.strictObject({
    name: text,
    line1: text,
    line2: text.optional(),
    postalCode: text,
    city: text,
    country: z.string().regex(/^[A-Z]{2}$/),
  }),
  lines: z.array(z.strictObject({ sku: text, quantity: z.int().positive() })).min(1),
});

/** What the carrier does on its own: `POST /_tracking`. */
const trackingBody = z.strictObject({
  shipmentId: text,
  status: z.enum(['shipped', 'delivered', 'returned']),
});

const SHIPMENT_PATH = /^\/v1\/shipments\/([^/]+)(\/cancel)?$/;
/** What the shop is told; the rest it did itself. */
const TOLD = new Set(['shipped', 'delivered', 'returned']);

/** Starts the fake in this process. Shipments in its log are still known. */
export function startFakeCarrier(options: FakeServerOptions & WebhookDestination): Promise<FakeServer> {
  return startFakeServer(options, (log) => new FakeCarrier(log, destinationIn(options)));
}

class FakeCarrier extends ParticipantFake {
  readonly #ledger: ShipmentsLedger;

  constructor(log: EvidenceLog, destination: WebhookDestination) {
    const ledger = new ShipmentsLedger(log.entries(), () => `track_${randomBytes(8).toString('hex')}`);
    super(log, rulesOf(ledger), destination);
    this.#ledger = ledger;
  }

  override handle(request: FakeRequest): FakeAnswer {
    return request.path === '/_tracking' ? this.#track(request) : super.handle(request);
  }

  #track(request: FakeRequest): FakeAnswer {
    if (request.method !== 'POST') return failure(405, 'method_not_allowed');
    const parsed = trackingBody.safeParse(parseJson(request.body));
    if (!parsed.success) return failure(422, 'invalid_request', z.prettifyError(parsed.error));
    const { shipmentId, status } = parsed.data;
    const fact = this.#ledger.advance(shipmentId, status);
    if (fact === null) return failure(409, 'not_possible');
    void this.record(fact);
    return jsonAnswer(200, this.#ledger.find(shipmentId));
  }
}

function rulesOf(ledger: ShipmentsLedger): ParticipantRules {
  return {
    operations: ['book', 'cancel', 'find'],
    parse({ method, path, body }) {
      const [, part, cancel] = SHIPMENT_PATH.exec(path) ?? [];
      const shipmentId = part === undefined ? null : decodePart(part);
      if (shipmentId === null) return failure(404, 'unknown_path');
      if (cancel !== undefined) {
        return method === 'POST' ? cancelOf(ledger, shipmentId) : failure(405, 'method_not_allowed');
      }
      if (method === 'GET') return findOf(ledger, shipmentId);
      if (method !== 'PUT') return failure(405, 'method_not_allowed');
      const parsed = bookBody.safeParse(parseJson(body));
      if (!parsed.success) return failure(422, 'invalid_request', z.prettifyError(parsed.error));
      return bookOf(ledger, shipmentId, parsed.data);
    },
    contradict: (body) => ({ ...body, shipmentId: 'another_shipment' }),
    webhookOf,
  };
}

function bookOf(
  ledger: ShipmentsLedger,
  shipmentId: string,
  { address: { line2, ...address }, ...rest }: z.infer<typeof bookBody>,
): ParticipantOperation {
  const request = { shipmentId, ...rest, address: { ...address, ...(line2 === undefined ? {} : { line2 }) } };
  return {
    name: 'book',
    subject: { shipmentId, orderId: rest.orderId },
    run(refusal) {
      const { result, fact } = ledger.book(request, refusal ?? simulatedRefusal(request));
      if (result.kind === 'reused') return { answer: failure(422, 'idempotency_key_reused'), fact };
      if (result.kind === 'refused') return { answer: failure(409, result.code), fact };
      return { answer: jsonAnswer(200, ledger.find(shipmentId)), fact };
    },
  };
}

function cancelOf(ledger: ShipmentsLedger, shipmentId: string): ParticipantOperation {
  return {
    name: 'cancel',
    subject: subjectOf(shipmentId, ledger.find(shipmentId)),
    run() {
      const { result, fact } = ledger.cancel(shipmentId);
      if (result.kind === 'too_late') return { answer: failure(409, 'too_late'), fact };
      if (result.kind === 'unknown') return { answer: failure(404, 'shipment_not_found'), fact };
      return { answer: jsonAnswer(200, ledger.find(shipmentId)), fact };
    },
  };
}

function findOf(ledger: ShipmentsLedger, shipmentId: string): ParticipantOperation {
  return {
    name: 'find',
    subject: subjectOf(shipmentId, ledger.find(shipmentId)),
    run() {
      const found = ledger.find(shipmentId);
      return {
        answer: found === null ? failure(404, 'shipment_not_found') : jsonAnswer(200, found),
        fact: null,
      };
    },
  };
}

function subjectOf(shipmentId: string, known: Shipment | null): Record<string, string> {
  return known === null ? { shipmentId } : { shipmentId, orderId: known.orderId };
}

function webhookOf({ type, ...fact }: LedgerFact): WebhookEvent | null {
  if (!TOLD.has(type)) return null;
  const { shipmentId, orderId, trackingId } = fact;
  return { type: `shipment.${type}`, data: { shipmentId, orderId, trackingId, status: type } };
}

if (require.main === module) void runFakeCommand(FAKE_CARRIER, startFakeCarrier);
