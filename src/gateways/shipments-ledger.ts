import type { BookRequest, BookResult, CancelResult, Shipment, ShipmentStatus } from './carrier';
import { fingerprintOf, type LedgerFact } from './ledger-fact';

interface Known {
  shipment: Shipment | null;
  /** Null for an id that was cancelled before it was booked. */
  fingerprint: string | null;
  refusal: string | null;
}

/** A call's outcome and the fact that it made, if it changed anything. */
export interface ShipmentOutcome<Result> {
  result: Result;
  fact: LedgerFact | null;
}

/** Statuses that a parcel can go to from each. Only what is still with us can be cancelled. */
const NEXT: Record<ShipmentStatus, readonly ShipmentStatus[]> = {
  booked: ['shipped', 'cancelled'],
  shipped: ['delivered', 'returned'],
  delivered: ['returned'],
  returned: [],
  cancelled: [],
};

/** What a simulated carrier refuses: a postal code and a country that nobody ships to. */
export function simulatedRefusal({ address }: BookRequest): string | null {
  if (address.postalCode === '00000') return 'address_refused';
  return address.country === 'AQ' ? 'country_not_served' : null;
}

/** The rules of a simulated carrier, without transport. The address is compared and never kept. */
export class ShipmentsLedger {
  readonly #known = new Map<string, Known>();

  constructor(
    facts: Iterable<LedgerFact>,
    readonly newTrackingId: () => string,
  ) {
    for (const fact of facts) this.#apply(fact);
  }

  find(shipmentId: string): Shipment | null {
    const shipment = this.#known.get(shipmentId)?.shipment ?? null;
    return shipment && { ...shipment };
  }

  /** @param refusal - why this booking is refused for good, when it is new; null: it is not */
  book(request: BookRequest, refusal: string | null): ShipmentOutcome<BookResult | { kind: 'reused' }> {
    const { shipmentId, orderId, address, lines } = request;
    const fingerprint = fingerprintOf([
      orderId,
      [address.name, address.line1, address.line2 ?? null, address.postalCode, address.city, address.country],
      lines.map(({ sku, quantity }) => [sku, quantity]),
    ]);
    const known = this.#known.get(shipmentId);
    if (known) return { result: answerAgain(known, fingerprint), fact: null };
    if (refusal !== null) {
      const fact = { type: 'booking_refused', shipmentId, orderId, code: refusal, fingerprint };
      this.#apply(fact);
      return { result: { kind: 'refused', code: refusal }, fact };
    }
    const trackingId = this.newTrackingId();
    const fact = { type: 'booked', shipmentId, orderId, trackingId, fingerprint };
    this.#apply(fact);
    return { result: { kind: 'booked', trackingId }, fact };
  }

  cancel(shipmentId: string): ShipmentOutcome<CancelResult> {
    const known = this.#known.get(shipmentId);
    if (known === undefined) {
      const fact = { type: 'booking_fenced', shipmentId };
      this.#apply(fact);
      return { result: { kind: 'unknown' }, fact };
    }
    if (known.shipment === null) return { result: { kind: 'unknown' }, fact: null };
    if (known.shipment.status === 'cancelled') return { result: { kind: 'cancelled' }, fact: null };
    const fact = this.advance(shipmentId, 'cancelled');
    return { result: { kind: fact === null ? 'too_late' : 'cancelled' }, fact };
  }

  /** Moves a shipment on. @returns null when it is not known, or cannot go there from where it is */
  advance(shipmentId: string, status: ShipmentStatus): LedgerFact | null {
    const shipment = this.#known.get(shipmentId)?.shipment;
    if (!shipment || !NEXT[shipment.status].includes(status)) return null;
    const { orderId, trackingId } = shipment;
    const fact = { type: status, shipmentId, orderId, trackingId };
    this.#apply(fact);
    return fact;
  }

  #apply(fact: LedgerFact): void {
    const { type } = fact;
    const shipmentId = fact['shipmentId'] as string;
    const fingerprint = fact['fingerprint'] as string;
    if (type === 'booked') {
      const orderId = fact['orderId'] as string;
      const trackingId = fact['trackingId'] as string;
      const shipment: Shipment = { shipmentId, orderId, trackingId, status: 'booked' };
      this.#known.set(shipmentId, { shipment, fingerprint, refusal: null });
    } else if (type === 'booking_refused') {
      this.#known.set(shipmentId, { shipment: null, fingerprint, refusal: fact['code'] as string });
    } else if (type === 'booking_fenced') {
      this.#known.set(shipmentId, { shipment: null, fingerprint: null, refusal: 'cancelled' });
    } else if (Object.hasOwn(NEXT, type)) {
      const shipment = this.#known.get(shipmentId)?.shipment;
      if (shipment) shipment.status = type as ShipmentStatus;
    }
  }
}

/** What a repeat of a booking is told. A cancelled one is refused even though it was booked once. */
function answerAgain(known: Known, fingerprint: string): BookResult | { kind: 'reused' } {
  if (known.fingerprint !== null && known.fingerprint !== fingerprint) return { kind: 'reused' };
  if (known.refusal !== null) return { kind: 'refused', code: known.refusal };
  const { status, trackingId } = known.shipment as Shipment;
  return status === 'cancelled' ? { kind: 'refused', code: 'cancelled' } : { kind: 'booked', trackingId };
}
