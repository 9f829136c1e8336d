import { GatewayMismatchError } from '../errors';
import { answerChecks } from './answer-checks';
import {
  SHIPMENT_STATUSES,
  type BookRequest,
  type BookResult,
  type CancelResult,
  type Carrier,
  type Shipment,
  type ShipmentStatus,
} from './carrier';
import { createGatewayHttp, definite, type GatewayHttp, type GatewayHttpOptions } from './gateway-http';
import { pathPart } from './http-exchange';

const NAME = 'carrier';
const { requireSame, requireText, unclear } = answerChecks(NAME);
const NOT_FOUND = 'shipment_not_found';

/** The carrier over HTTP, as `src/dev/fake-carrier.ts` speaks it. Keeps the contract of `Carrier`. */
export function createHttpCarrier(options: GatewayHttpOptions): Carrier {
  const http = createGatewayHttp(NAME, options);
  return {
    book: (request) => book(http, request),
    cancel: ({ shipmentId }) => cancel(http, shipmentId),
    find: ({ shipmentId }) => find(http, shipmentId),
    close: () => http.close(),
  };
}

function pathOf(shipmentId: string): string {
  return `v1/shipments/${pathPart(shipmentId)}`;
}

async function book(http: GatewayHttp, request: BookRequest): Promise<BookResult> {
  const { shipmentId, orderId, address, lines } = request;
  const body = { orderId, address, lines };
  const answer = definite(NAME, await http.call({ method: 'PUT', path: pathOf(shipmentId), body }));
  if (answer.kind === 'refused') return { kind: 'refused', code: answer.code };
  requireSame(answer.body, { shipmentId, orderId });
  return { kind: 'booked', trackingId: requireText(answer.body, 'trackingId') };
}

async function cancel(http: GatewayHttp, shipmentId: string): Promise<CancelResult> {
  const path = `${pathOf(shipmentId)}/cancel`;
  const answer = definite(NAME, await http.call({ method: 'POST', path, body: {} }), NOT_FOUND);
  if (answer.kind === 'done') {
    requireSame(answer.body, { shipmentId });
    if (answer.body['status'] !== 'cancelled') throw unclear('status');
    return { kind: 'cancelled' };
  }
  if (answer.code === NOT_FOUND) return { kind: 'unknown' };
  if (answer.code === 'too_late') return { kind: 'too_late' };
  throw new GatewayMismatchError(`the carrier refused a cancel (${answer.code})`);
}

async function find(http: GatewayHttp, shipmentId: string): Promise<Shipment | null> {
  const answer = definite(NAME, await http.call({ method: 'GET', path: pathOf(shipmentId) }), NOT_FOUND);
  if (answer.kind === 'refused') {
    if (answer.code === NOT_FOUND) return null;
    throw new GatewayMismatchError(`the carrier refused a look-up (${answer.code})`);
  }
  requireSame(answer.body, { shipmentId });
  const status = requireText(answer.body, 'status');
  if (!isStatus(status)) throw unclear('status');
  return {
    shipmentId,
    orderId: requireText(answer.body, 'orderId'),
    trackingId: requireText(answer.body, 'trackingId'),
    status,
  };
}

function isStatus(status: string): status is ShipmentStatus {
  return (SHIPMENT_STATUSES as readonly string[]).includes(status);
}
