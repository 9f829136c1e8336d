import type { LookupKey } from './lookup';
import type { Scalar } from './values';

/** Asks one scalar of the event. */
export type ScalarTest = (value: Scalar) => boolean;
/** A test, and the key that each scalar has that passes it. */
export interface ScalarOperator {
  test: ScalarTest;
  key: LookupKey;
}
