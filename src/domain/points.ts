/** Minor units that earn one point, whatever the currency. Source: ours; a point for each euro, dollar or 100 yen. */
const MINOR_PER_POINT = 100;

/**
 * Points earned by a captured payment.
 * @param capturedMinor - amount captured, in minor units of the order's currency
 * @returns whole points, rounded down
 * @throws RangeError when the amount is negative or not whole: a bug in the caller
 */
export function pointsEarned(capturedMinor: number): number {
  if (!Number.isSafeInteger(capturedMinor) || capturedMinor < 0) {
    throw new RangeError(`capturedMinor must be a whole amount >= 0, got ${capturedMinor}`);
  }
  return Math.floor(capturedMinor / MINOR_PER_POINT);
}
