import type { ActivityInboundCallsInterceptor, ActivityExecuteInput, Next } from '@temporalio/worker';
import { ApplicationFailure } from '@temporalio/common';
import { clampRetryAfterMs } from '../domain/deliveries';
import { AppError } from '../errors';

/**
 * Gives expected errors to Temporal with their code as type and their own word on repeating. Without it an error arrives
 * with its class name as type and always retryable. Its message holds no personal data; causes stay in the worker.
 */
export const appErrorsAsFailures: ActivityInboundCallsInterceptor = {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>) {
    try {
      return await next(input);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw ApplicationFailure.create({
        message: error.message,
        type: error.code,
        nonRetryable: !error.retryable,
        ...(error.retryAfterSeconds === undefined
          ? {}
          : { nextRetryDelay: clampRetryAfterMs(error.retryAfterSeconds * 1_000) }),
      });
    }
  },
};
