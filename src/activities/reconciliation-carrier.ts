import { shipmentsToCheck, type KnownShipment } from '../database/reconciliation-candidates';
import type { Pool } from '../database/pool';
import { DETECTORS, type Finding } from '../domain/reconciliation';
import type { Carrier, Shipment, ShipmentStatus } from '../gateways/carrier';
import { concurrently } from './concurrently';

const PAGE = 100;
/** The carrier is somebody else's machine: few questions at once. */
const ASKED_AT_ONCE = 5;

/** Where the database and the carrier disagree, page by page of our shipments. */
export async function* findParcels(
  { pool, carrier }: { pool: Pool; carrier: Carrier },
  now: Date,
): AsyncGenerator<Finding[], void, undefined> {
  const olderThan = new Date(now.getTime() - DETECTORS.shipment_behind.graceMs).toISOString();
  for (let after: string | null = null; ;) {
    const shipments: KnownShipment[] = await shipmentsToCheck(pool, { olderThan, after, limit: PAGE });
    const findings = await concurrently(shipments, ASKED_AT_ONCE, async (known) =>
      compareShipment(known, await carrier.find({ shipmentId: known.shipmentId })),
    );
    yield findings.flat();
    if (shipments.length < PAGE) return;
    after = shipments.at(-1)!.shipmentId;
  }
}

/** How far the goods are. What came back was on its way. */
const RANK: Record<ShipmentStatus, number> = {
  booked: 1,
  shipped: 2,
  delivered: 3,
  returned: 3,
  cancelled: 0,
};
const RANK_OF_STATE: Partial<Record<KnownShipment['state'], number>> = { BOOKED: 1, SHIPPED: 2 };

/** What is wrong with one shipment. Pure. */
export function compareShipment(known: KnownShipment, theirs: Shipment | null): Finding[] {
  const { shipmentId, orderId, state } = known;
  const about = {
    subject: `shipment:${shipmentId}`,
    orderId,
    detail: { state, carrier: theirs?.status ?? null, trackingId: theirs?.trackingId ?? null },
  };
  if (state === 'CANCELLED') {
    const isUnderWay = theirs !== null && theirs.status !== 'cancelled';
    return isUnderWay ? [{ ...about, detector: 'shipment_not_cancelled' }] : [];
  }
  if (theirs === null || theirs.status === 'cancelled') return [{ ...about, detector: 'missing_shipment' }];
  return RANK[theirs.status] > (RANK_OF_STATE[state] ?? 0) ? [{ ...about, detector: 'shipment_behind' }] : [];
}
