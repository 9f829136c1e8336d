import type { FlashLimits } from './flash-lane';

/**
 * What the flash lane does at once. Source: measurements with groups, windows and batches of several sizes on two cores, see
 * docs/benchmarks.md; larger ones gain nothing there.
 */
export const FLASH_LIMITS: FlashLimits = {
  keepOpen: false,
  windowMs: 1_000,
  // First deliveries take some milliseconds; what takes longer than this has failed or is held up.
  graceMs: 2_000,
  ordersMax: 5_000,
  groupMax: 100,
  commitsMax: 2,
  queueMax: 2_000,
  batchMax: 40,
  inFlightMax: 6,
  backlogMax: 800,
};
