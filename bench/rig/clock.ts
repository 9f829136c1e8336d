/** Milliseconds since 1970 with fractions, as PostgreSQL dates commits; Date.now() alone has whole ones. */
export interface Clock {
  now(): number;
}

/**
 * Reads the system's clock at the moment when it goes on to the next millisecond and counts from there. Made anew for
 * each stretch of time that is measured, because the system's clock is corrected while ours is not.
 */
export function createClock(): Clock {
  const before = Date.now();
  let system = before;
  while (system === before) system = Date.now();
  const offset = system - performance.now();
  return { now: () => offset + performance.now() };
}
