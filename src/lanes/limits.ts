import type { FlashLimits } from './flash-lane';

/**
 * What the flash lane does at once. 240 orders' deliveries at once and a backlog of 800 are those of the prototype whose lag stayed
 * in milliseconds under load; what they give here is in docs/benchmarks.md. Three of them are settings of the process.
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
  sendingMax: 240,
  backlogMax: 800,
};
