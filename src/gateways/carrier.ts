/**
 * The carrier as the product sees it.
 *
 * Contract: a shipment is named by our `shipmentId`, and everything is idempotent by it: the same call always has the
 * same outcome. A definite answer is returned, refusals included; a missing or unclear one throws
 * `GatewayUnavailableError` (retryable: repeat the same call), an answer that contradicts the request, and an id that is
 * known for another request, throw `GatewayMismatchError`. Personal data goes into `book` and nowhere else.
 */
export interface Carrier {
  /** Refused for good with `cancelled` after a cancel, whichever of the two arrived first. */
  book(request: BookRequest): Promise<BookResult>;
  /**
   * Makes the shipment impossible, or tells that it is on its way. `unknown`: it was never booked, and after this answer
   * it never can be, so a booking that is still under way comes to nothing.
   */
  cancel(request: { shipmentId: string }): Promise<CancelResult>;
  /** Null for what was never booked. "Found nothing" is no proof that nothing will happen; `cancel` is. */
  find(request: { shipmentId: string }): Promise<Shipment | null>;
  close(): Promise<void>;
}

export interface BookRequest {
  shipmentId: string;
  orderId: string;
  address: ShippingAddress;
  lines: ShipmentLine[];
}

/** Personal data. */
export interface ShippingAddress {
  name: string;
  line1: string;
  line2?: string;
  postalCode: string;
  city: string;
  /** ISO 3166-1 alpha-2. */
  country: string;
}

export interface ShipmentLine {
  sku: string;
  quantity: number;
}

export type BookResult = { kind: 'booked'; trackingId: string } | { kind: 'refused'; code: string };

export type CancelResult = { kind: 'cancelled' } | { kind: 'too_late' } | { kind: 'unknown' };

export const SHIPMENT_STATUSES = ['booked', 'shipped', 'delivered', 'returned', 'cancelled'] as const;

export type ShipmentStatus = (typeof SHIPMENT_STATUSES)[number];

export interface Shipment {
  shipmentId: string;
  orderId: string;
  trackingId: string;
  status: ShipmentStatus;
}
