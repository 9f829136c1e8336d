import { PRODUCT_BOOKS } from '../arms/books';
import { knowsLanes, startProduct, type Lane, type Layout, type RunningProduct } from '../arms/product';
import type { Place, Rig } from '../rig/rig';

export interface ProductRun {
  place: Place;
  product: RunningProduct;
  lane: Lane;
}

/** The lane for rate, when the build has it. */
export function fastestLane(): Lane {
  return knowsLanes() ? 'flash' : 'standard';
}

/** Starts the product on a database and a Temporal server of its own, and stops all of it afterwards. */
export async function withProduct<T>(
  rig: Rig,
  options: { lane?: Lane; layout?: Layout; prepare?: (place: Place) => Promise<void> },
  use: (run: ProductRun) => Promise<T>,
): Promise<T> {
  const lane = options.lane ?? fastestLane();
  const place = await rig.place({ needsTemporal: true, books: PRODUCT_BOOKS }, { settle: false });
  try {
    await options.prepare?.(place);
    const product = await startProduct(place, { lane, layout: options.layout ?? 'one' });
    try {
      return await use({ place, product, lane });
    } finally {
      await product.stop();
    }
  } finally {
    await place.stopTemporal();
    await place.forget();
  }
}
