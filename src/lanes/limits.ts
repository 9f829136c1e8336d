import type { FlashLimits } from './flash-lane';

/**
 * What the flash lane does at once, beside what is a setting of the process. 240 orders' deliveries are those of the prototype
 * whose lag stayed in milliseconds under load. Commits of one at a time or of two make no difference (403 to 480 and 408 to 495
 * orders/s at 64 connections, two runs each); two let a group that waits for a hot SKU not hold up the others.
 */
export const FLASH_LIMITS: Omit<FlashLimits, 'keepOpen' | 'windowMs' | 'queueMax' | 'backlogMax'> = {
  // First deliveries take some milliseconds; what takes longer than this has failed or is held up.
  graceMs: 2_000,
  ordersMax: 5_000,
  // What is answered and sent at once holds up the event loop: with 100 at 256 connections, half the rate of new connections.
  groupMax: 32,
  commitsMax: 2,
  sendingMax: 240,
};
