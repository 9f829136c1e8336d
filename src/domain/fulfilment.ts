/** What follows when an order is confirmed: the goods are shipped, points are awarded, the cart is cleared. */

export type ShipmentState =
  'INTENDED' | 'BOOKED' | 'REFUSED' | 'SHIPPED' | 'DELIVERED' | 'RETURNED' | 'CANCELLED';
export type PointsState = 'INTENDED' | 'AWARDED' | 'REFUSED' | 'REVERSED';
export type CartState = 'INTENDED' | 'CLEARED' | 'REFUSED' | 'RESTORED';

/** Each is null when the order has no such step. */
export interface Fulfilment {
  shipment: { shipmentId: string; state: ShipmentState; code: string | null } | null;
  points: { entryId: string; state: PointsState } | null;
  cart: { state: CartState } | null;
}

export const NOTHING_TO_FULFIL: Fulfilment = { shipment: null, points: null, cart: null };

/** True while a step of it has no outcome. */
export function isUnfulfilled({ shipment, points, cart }: Fulfilment): boolean {
  return [shipment, points, cart].some((step) => step?.state === 'INTENDED');
}

/** True when the goods will never be shipped, though the order is confirmed. */
export function isToBeUndone({ shipment }: Fulfilment): boolean {
  return shipment?.state === 'REFUSED' || shipment?.state === 'CANCELLED';
}

/** True while the carrier has the goods, or is to get them. */
export function isUnderWay({ shipment }: Fulfilment): boolean {
  return shipment !== null && ['BOOKED', 'SHIPPED', 'RETURNED'].includes(shipment.state);
}

/** What the carrier says on its own of a shipment that it has booked. */
export type TrackingState = Extract<ShipmentState, 'SHIPPED' | 'DELIVERED' | 'RETURNED'>;

/** From a state to what its report brings: a delivery tells that the goods were shipped, whoever lost that report. */
const TRACKED: Readonly<Record<TrackingState, Partial<Record<ShipmentState, readonly TrackingState[]>>>> = {
  SHIPPED: { INTENDED: ['SHIPPED'], BOOKED: ['SHIPPED'] },
  DELIVERED: {
    INTENDED: ['SHIPPED', 'DELIVERED'],
    BOOKED: ['SHIPPED', 'DELIVERED'],
    SHIPPED: ['DELIVERED'],
    // The second try of a carrier that had turned back.
    RETURNED: ['DELIVERED'],
  },
  RETURNED: { INTENDED: ['SHIPPED', 'RETURNED'], BOOKED: ['SHIPPED', 'RETURNED'], SHIPPED: ['RETURNED'] },
};

/**
 * The states that a report takes a shipment through. Reports come late, twice, in any order.
 * @returns empty when it is old news; null when it contradicts what the carrier said before: goods on their way that were
 * refused or cancelled
 */
export function trackedStates(
  current: ShipmentState,
  reported: TrackingState,
): readonly TrackingState[] | null {
  if (current === 'REFUSED' || current === 'CANCELLED') return null;
  return TRACKED[reported][current] ?? [];
}
