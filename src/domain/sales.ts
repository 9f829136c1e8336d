import { ConflictingStateError, InvalidValueError, QuantityAboveStockError } from '../errors';
import type { OrderRequest } from './orders';

/** Where a sale is in its life, as it is stored. */
export type SaleState = 'SCHEDULED' | 'OPEN' | 'CLOSED';
/** As callers see it: SOLD_OUT is an open sale of which nothing is left; units that come back are for sale again. */
export type VisibleSaleState = SaleState | 'SOLD_OUT';

export const VISIBLE_SALE_STATES: readonly VisibleSaleState[] = ['SCHEDULED', 'OPEN', 'SOLD_OUT', 'CLOSED'];

/** What is asked for of a sale: a cap on the stock of one product, in a window of time. Times are RFC 3339. */
export interface SaleTerms {
  saleId: string;
  sku: string;
  /** Units. */
  quantity: number;
  /** Null: opens at once. */
  opensAt: string | null;
  /** Null: stays open. */
  closesAt: string | null;
  /** Units that one customer may have; null: no limit. */
  perCustomer: number | null;
  /** How long a `wait` order waits for its payment at most; null: as its caller says. */
  paymentDeadlineSeconds: number | null;
}

/** A sale and what is taken of it, in units. */
export interface Sale extends SaleTerms {
  state: SaleState;
  reserved: number;
  sold: number;
}

/** @param at - RFC 3339: a sale is over at its time, whether its workflow has closed it by then or not */
export function visibleStateOf(
  { state, closesAt, available }: Pick<Sale, 'state' | 'closesAt'> & { available: number },
  at: string,
): VisibleSaleState {
  if (state !== 'OPEN') return state;
  if (closesAt !== null && Date.parse(closesAt) <= Date.parse(at)) return 'CLOSED';
  return available === 0 ? 'SOLD_OUT' : 'OPEN';
}

/** Units that can be ordered now, or could if the sale were open. @param inStock - units of the product that are free */
export function availableOf(
  { quantity, reserved, sold }: Pick<Sale, 'quantity' | 'reserved' | 'sold'>,
  inStock: number,
): number {
  return Math.min(quantity - reserved - sold, inStock);
}

/** An order as its sale lets it be: its payment is waited for no longer than the sale says. */
export function underTerms(
  request: OrderRequest,
  { paymentDeadlineSeconds }: Pick<SaleTerms, 'paymentDeadlineSeconds'>,
): OrderRequest {
  const { payment } = request;
  if (payment.mode !== 'wait' || paymentDeadlineSeconds === null) return request;
  const deadlineSeconds = Math.min(payment.deadlineSeconds ?? paymentDeadlineSeconds, paymentDeadlineSeconds);
  return { ...request, payment: { ...payment, deadlineSeconds } };
}

/** True when a PUT of `terms` changes nothing. */
export function hasTerms(sale: SaleTerms, terms: SaleTerms): boolean {
  const members = [
    'sku',
    'quantity',
    'opensAt',
    'closesAt',
    'perCustomer',
    'paymentDeadlineSeconds',
  ] as const;
  return members.every((member) => sale[member] === terms[member]);
}

/**
 * Whether a sale may be made, or become, what is asked for.
 * @param before - the sale as it is; null for a new one
 * @param now.inStock - units of the product that are free
 * @throws ConflictingStateError, InvalidValueError, QuantityAboveStockError (not retryable)
 */
export function assertMayBecome(
  terms: SaleTerms,
  before: Sale | null,
  now: { at: string; inStock: number },
): void {
  if (before !== null) assertMayChange(terms, before, now.at);
  assertWindow(terms, now.at);
  const taken = before === null ? 0 : before.reserved + before.sold;
  // A quantity that was there when it was promised stays promised, whatever else was sold meanwhile.
  if (terms.quantity <= (before?.quantity ?? 0) || terms.quantity - taken <= now.inStock) return;
  throw new QuantityAboveStockError('The sale offers more than is free of its product.', {
    fields: [{ pointer: '/quantity', message: `at most ${now.inStock + taken}` }],
  });
}

function assertMayChange(terms: SaleTerms, before: Sale, at: string): void {
  const { state, reserved, sold } = before;
  const refuse = (message: string): never => {
    throw new ConflictingStateError(message, { extensions: { state } });
  };
  if (state === 'CLOSED') refuse('The sale is closed and cannot be changed; put one of another name.');
  if (terms.sku !== before.sku) refuse('The product of a sale cannot be changed; put one of another name.');
  if (state === 'OPEN' && terms.opensAt !== null && Date.parse(terms.opensAt) > Date.parse(at)) {
    refuse('The sale is open and cannot open later.');
  }
  if (terms.quantity < reserved + sold) {
    refuse(`${reserved + sold} units are reserved or sold: the quantity cannot be less.`);
  }
}

function assertWindow({ opensAt, closesAt }: SaleTerms, at: string): void {
  if (closesAt === null) return;
  const refuse = (message: string): never => {
    throw new InvalidValueError(message, { fields: [{ pointer: '/closesAt', message }] });
  };
  if (opensAt !== null && Date.parse(opensAt) >= Date.parse(closesAt)) {
    refuse('The sale closes before it opens.');
  }
  if (Date.parse(closesAt) <= Date.parse(at)) refuse('The sale would be over already.');
}

/** What an end-of-sale reconciliation counted, and where it is not what the sale says. In units, but for `orders`. */
export interface SaleReconciliation {
  /** RFC 3339. */
  at: string;
  /** Orders of the sale that were accepted, and those that had no end then. */
  orders: number;
  open: number;
  reserved: number;
  sold: number;
  /** Empty: all is as it should be. */
  differences: SaleDifference[];
}

/** `customers`: in how many cases the units of a customer are not those of his orders. */
export interface SaleDifference {
  of: 'reserved' | 'sold' | 'customers' | 'quantity';
  sale: number;
  orders: number;
}
