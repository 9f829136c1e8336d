import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { AppError } from '../../src/errors';

/** More tries than any sequence of faults that a seed gives at the rates of these tests. */
const TRIES_MAX = 50;

/** Runs an activity where it can heartbeat. What it fails with is the test's business, not the log's. */
export function run<T>(work: () => Promise<T>): Promise<T> {
  return new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR') }).run(work);
}

/** As Temporal does: what is retryable is tried again. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run(work);
    } catch (error) {
      if (!(error instanceof AppError) || !error.retryable || tries === TRIES_MAX) throw error;
    }
  }
}
