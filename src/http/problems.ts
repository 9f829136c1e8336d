import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import {
  isGrpcServiceError,
  ServiceError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { classify } from '../database/transaction';
import {
  AppError,
  DatabaseUnavailableError,
  InternalError,
  MalformedRequestError,
  NotFoundError,
  TemporalUnavailableError,
  type FieldError,
} from '../errors';
import type { Logger } from '../log';
import { requestIdOf } from './request-log';

/** What an error answer looks like. Source: RFC 9457, with our members `code`, `requestId` and `errors`. */
export interface Problem {
  /** Names the kind of problem and never changes. It is a name, not an address. */
  type: string;
  title: string;
  status: number;
  detail: string;
  /** What to branch on. */
  code: string;
  requestId: string;
  /** Every wrong member, as far as known. */
  errors: FieldError[];
  [extension: string]: unknown;
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** When nobody said how long to wait: long enough for a restart to be noticed, short enough for a person. Seconds. */
const RETRY_AFTER_SECONDS = 2;

/** Answers after which what is left of the request is not read. */
const CLOSING: readonly number[] = [408, 413, 431];

/** The document for an error. What a 500 was about stays in the log. */
export function problemOf(error: AppError, requestId: string): Problem {
  const unforeseen = error.httpStatus === 500;
  return {
    type: `urn:aftercommit:problem:${error.code}`,
    title: titleOf(error.code),
    status: error.httpStatus,
    detail: unforeseen ? 'Something went wrong here; the log has it under this requestId.' : error.message,
    code: error.code,
    requestId,
    errors: error.fields,
    ...error.extensions,
  };
}

/** `out_of_stock` reads `Out of stock`. */
function titleOf(code: string): string {
  return code.charAt(0).toUpperCase() + code.slice(1).replaceAll('_', ' ');
}

/** What any thrown thing means to a caller. Lost connections are 503, because the same request may succeed later. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isBadRequestOfExpress(error)) {
    return new MalformedRequestError('The path cannot be decoded.', { cause: error });
  }
  if (isTemporalOutage(error)) {
    return new TemporalUnavailableError('Temporal cannot be reached; repeat the request.', { cause: error });
  }
  if (classify(error) !== 'other') {
    return new DatabaseUnavailableError('The database cannot be reached; repeat the request.', {
      cause: error,
    });
  }
  return new InternalError('unforeseen', { cause: error });
}

function isTemporalOutage(error: unknown): boolean {
  return (
    error instanceof ServiceError ||
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    isGrpcServiceError(error)
  );
}

/** Express refuses a path with a broken percent escape by an error that carries the status. */
function isBadRequestOfExpress(error: unknown): boolean {
  return error instanceof URIError && (error as { status?: unknown }).status === 400;
}

/** Answers with the problem document of `error`. */
export function sendProblem(res: Response, error: AppError): void {
  if (error.httpStatus === 503 || error.httpStatus === 429) {
    res.setHeader('Retry-After', String(error.retryAfterSeconds ?? RETRY_AFTER_SECONDS));
  }
  if (CLOSING.includes(error.httpStatus)) res.setHeader('Connection', 'close');
  res
    .status(error.httpStatus)
    .type(PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(problemOf(error, requestIdOf(res))));
}

/** The last stop of every request that failed. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (thrown: unknown, _req: Request, res: Response, _next) => {
    const error = toAppError(thrown);
    if (error.httpStatus >= 500) logFailure(log, error, requestIdOf(res));
    if (res.headersSent) {
      res.destroy();
      return;
    }
    sendProblem(res, error);
  };
}

/** Only what names the failure: a driver's error object may hold values of the row that it was about. */
function logFailure(log: Logger, error: AppError, requestId: string): void {
  const cause = error.cause instanceof Error ? error.cause : error;
  const entry = { requestId, code: error.code, cause: cause.name, message: cause.message };
  if (error.httpStatus === 500) log.error({ ...entry, stack: cause.stack }, 'a request failed unforeseen');
  else log.warn(entry, 'a request could not be served');
}

/** For paths that no route knows. */
export const unknownRoute: RequestHandler = () => {
  throw new NotFoundError('There is no such route.');
};
