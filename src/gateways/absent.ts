import { ParticipantMissingError } from '../errors';
import type { Carrier } from './carrier';
import type { Cart } from './cart';
import type { PointsLedger } from './points';

/**
 * In place of a participant that nobody configured. Orders that need one are not taken, so only those meet it that were
 * taken while there was one: their step waits for an operator, who sets it again, or says how it was done by hand.
 */

export function absentCarrier(): Carrier {
  const call = missing('carrier', 'AFTERCOMMIT_CARRIER_URL');
  return { book: call, cancel: call, find: call, close };
}

export function absentPointsLedger(): PointsLedger {
  const call = missing('points ledger', 'AFTERCOMMIT_POINTS_URL');
  return { award: call, reverse: call, close };
}

export function absentCart(): Cart {
  const call = missing('cart', 'AFTERCOMMIT_CART_URL');
  return { clear: call, restore: call, close };
}

/** @returns a call that rejects with ParticipantMissingError, not retryable */
function missing(name: string, variable: string): () => Promise<never> {
  return () => Promise.reject(new ParticipantMissingError(`there is no ${name}: ${variable} is not set`));
}

function close(): Promise<void> {
  return Promise.resolve();
}
