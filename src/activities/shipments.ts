import type { Pool } from '../database/pool';
import { fenceStep, intendStep, recordStep, recordUndone } from '../database/fulfilment';
import { completeShipment, readShipment, recordTracking, type Shipment } from '../database/shipments';
import type { Carrier } from '../gateways/carrier';
import { withHeartbeat } from './heartbeat';

export type BookOutcome = { kind: 'booked' } | { kind: 'refused'; code: string };

export interface ShipmentActivities {
  /**
   * Books the shipment. Idempotent: the intent is a row before the call, and the carrier knows it by our id.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown; GatewayMismatchError (not retryable)
   */
  bookShipment(input: { orderId: string }): Promise<BookOutcome>;
  /**
   * Makes the shipment impossible, or tells that the goods are on their way. Idempotent; safe when nothing was booked.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown
   */
  cancelShipment(input: { orderId: string }): Promise<{ kind: 'cancelled' | 'too_late' }>;
  /** Asks the carrier how far the shipment is and stores it, as its report would. Idempotent. */
  lookUpShipment(input: { orderId: string }): Promise<void>;
  /** An operator says that the goods arrived. Idempotent. */
  completeShipment(input: { orderId: string }): Promise<void>;
}

export function createShipmentActivities(deps: {
  pool: Pool;
  carrier: Carrier;
  now: () => Date;
}): ShipmentActivities {
  const { pool, carrier } = deps;
  const at = (): string => deps.now().toISOString();
  return {
    bookShipment: ({ orderId }) =>
      withHeartbeat(async () => {
        if (!(await intendStep(pool, 'shipment', orderId))) return { kind: 'refused', code: 'cancelled' };
        const shipment = await readKnown(pool, orderId);
        if (shipment.state !== 'INTENDED') return outcomeOf(shipment);
        const { shipmentId, address, lines } = shipment;
        const booked =
          address === null
            ? ({ kind: 'refused', code: 'contact_erased' } as const)
            : await carrier.book({ shipmentId, orderId, address: withoutGaps(address), lines });
        await recordStep(
          pool,
          'shipment',
          orderId,
          booked.kind === 'booked' ? { kind: 'done', tracking: booked.trackingId } : booked,
        );
        return outcomeOf(await readKnown(pool, orderId));
      }),

    cancelShipment: ({ orderId }) =>
      withHeartbeat(async () => {
        if (!(await fenceStep(pool, 'shipment', orderId))) return { kind: 'cancelled' };
        const { shipmentId, state } = await readKnown(pool, orderId);
        if (state === 'SHIPPED' || state === 'DELIVERED') return { kind: 'too_late' };
        // After a refusal too: an operator may have said so, and nobody knows what the carrier did.
        if (state === 'CANCELLED' || state === 'RETURNED') return { kind: 'cancelled' };
        const { kind } = await carrier.cancel({ shipmentId });
        if (kind === 'too_late') return { kind };
        await recordUndone(pool, 'shipment', orderId);
        return { kind: 'cancelled' };
      }),

    lookUpShipment: ({ orderId }) =>
      withHeartbeat(async () => {
        const { shipmentId } = await readKnown(pool, orderId);
        const known = await carrier.find({ shipmentId });
        const state = known === null ? undefined : TRACKED[known.status];
        if (known === null || state === undefined) return;
        await recordTracking(pool, { shipmentId, state, trackingId: known.trackingId, at: at() });
      }),

    completeShipment: ({ orderId }) => completeShipment(pool, { orderId, at: at() }),
  };
}

const TRACKED = {
  booked: undefined,
  cancelled: undefined,
  shipped: 'SHIPPED',
  delivered: 'DELIVERED',
  returned: 'RETURNED',
} as const;

/** @throws RangeError when the order does not ship: a bug in the caller */
async function readKnown(pool: Pool, orderId: string): Promise<Shipment> {
  const shipment = await readShipment(pool, orderId);
  if (shipment === null) throw new RangeError('the order does not ship');
  return shipment;
}

function outcomeOf({ state, errorCode }: Shipment): BookOutcome {
  if (state === 'REFUSED' || state === 'CANCELLED')
    return { kind: 'refused', code: errorCode ?? state.toLowerCase() };
  return { kind: 'booked' };
}

/** The second line is left out when there is none, so that the same shipment is always the same request. */
function withoutGaps({
  line2,
  ...address
}: NonNullable<Shipment['address']>): Parameters<Carrier['book']>[0]['address'] {
  return line2 === undefined ? address : { ...address, line2 };
}
