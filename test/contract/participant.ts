import { GatewayMismatchError, GatewayUnavailableError } from '../../src/errors';

/**
 * Ways in which the next call of an operation can go wrong on its way. `lost_before`: it never arrived. `lost_after`: it
 * was carried out and the answer was lost. `late`: it is carried out after `settleLate`. `mismatch`: it was carried out
 * and the answer contradicts it.
 */
export type ParticipantFault = 'lost_before' | 'lost_after' | 'late' | 'mismatch';

/** What every participant's suite needs beside the participant. */
export interface ParticipantUnderTest {
  plan(fault: ParticipantFault, operation: string): Promise<void>;
  /** Resolves once what was late has been carried out. For those in memory: the next call on it does that. */
  settleLate(): Promise<void>;
  stop(): Promise<void>;
}

/** Runs a call that is to fail because its outcome is unknown. */
export async function expectUnknown(call: Promise<unknown>): Promise<void> {
  const failure = await call.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(GatewayUnavailableError);
  expect(failure).toMatchObject({ retryable: true });
}

/** Runs a call that is to fail because the answer, or the id, contradicts it. */
export async function expectMismatch(call: Promise<unknown>): Promise<void> {
  const failure = await call.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(GatewayMismatchError);
  expect(failure).toMatchObject({ retryable: false });
}
