import type { RouteConfig } from '@asteasolutions/zod-to-openapi';
import { ProblemDocument } from './schemas';
import type { z } from './zod';

/** One method of one path in the OpenAPI document. */
export type Operation = RouteConfig;

type Responses = Operation['responses'];

/** What a status means to a caller, where its codes do not say it. */
const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'Malformed: `malformed_request`, `idempotency_key_missing`, `idempotency_key_malformed`',
  401: '`unauthenticated`',
  403: '`forbidden`: the scope is missing',
  404: '`not_found`',
  409: 'The state of things refuses it',
  413: '`body_too_large`: more than 64 KB',
  415: '`unsupported_media_type`',
  422: 'Well formed, and a value is refused',
  429: '`too_many_requests`, or `queue_full` in the flash lane, with Retry-After',
  503: '`temporal_unavailable`, `database_unavailable` or `shutting_down`, with Retry-After',
};

/** Every route under /v1 can answer these. */
const ALWAYS = [401, 403, 429, 503];

/**
 * The answers of one operation.
 * @param bodies - status to the schema of its body, null for none
 * @param problems - statuses of problem documents
 */
export function answers(
  bodies: Record<number, z.ZodType | null>,
  problems: readonly number[] = [],
): Responses {
  const responses: Responses = {};
  for (const [status, schema] of Object.entries(bodies)) {
    responses[status] = {
      description: 'As asked',
      ...(schema === null ? {} : { content: { 'application/json': { schema } } }),
    };
  }
  for (const status of problems) {
    responses[String(status)] = {
      description: PROBLEMS[status] ?? 'Refused',
      content: { 'application/problem+json': { schema: ProblemDocument } },
    };
  }
  return responses;
}

/** The same for routes under /v1. */
export function guardedAnswers(
  bodies: Record<number, z.ZodType | null>,
  problems: readonly number[],
): Responses {
  return answers(bodies, [...problems, ...ALWAYS]);
}

/** A body as JSON. */
export function jsonBody(
  schema: z.ZodType,
  required = true,
): NonNullable<NonNullable<Operation['request']>['body']> {
  return { required, content: { 'application/json': { schema } } };
}

/** What can be wrong with a request that has a body. */
export const BODY_PROBLEMS = [400, 413, 415, 422] as const;
