import { isObject } from './http-exchange';
import { createWebhookReader, textOf, timeOf, type WebhookReader } from './webhook-reader';
import { createWebhookVerifier } from './webhook-signature';

/** What the carrier tells on its own. It may come twice, late, in any order, or never: `Carrier.find` is the truth. */
export interface CarrierEvent {
  /** The same for every repeat. */
  id: string;
  type: 'shipment.shipped' | 'shipment.delivered' | 'shipment.returned';
  /** RFC 3339: when it happened. */
  occurredAt: string;
  shipmentId: string;
  trackingId: string;
}

const TYPES: readonly string[] = [
  'shipment.shipped',
  'shipment.delivered',
  'shipment.returned',
] satisfies CarrierEvent['type'][];

/** Reads tracking webhooks: `{ type, timestamp, data: { shipmentId, trackingId } }`, signed as Standard Webhooks say. */
export function createCarrierWebhooks(options: {
  secrets: readonly string[];
  now: () => Date;
}): WebhookReader<CarrierEvent> {
  const verifier = createWebhookVerifier(options);
  return createWebhookReader({
    verify: (request) => verifier.verify(request),
    eventOf(type, document, id) {
      if (!TYPES.includes(type)) return undefined;
      const data = isObject(document['data']) ? document['data'] : {};
      const shipmentId = textOf(data, 'shipmentId');
      const trackingId = textOf(data, 'trackingId');
      const occurredAt = timeOf(document, 'timestamp');
      if (shipmentId === null || trackingId === null || occurredAt === null) return null;
      return { id, type: type as CarrierEvent['type'], occurredAt, shipmentId, trackingId };
    },
  });
}
