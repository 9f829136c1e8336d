import { jsonAnswer, type FakeAnswer } from './fake-server';

export type Answer = Extract<FakeAnswer, { kind: 'answer' }>;

export interface StripeError {
  type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';
  code?: string;
  decline_code?: string;
  param?: string;
  message?: string;
  [object: string]: unknown;
}

/** Source: docs.stripe.com/api/errors. */
export function stripeError(status: number, error: StripeError): Answer {
  return jsonAnswer(status, { error: { message: error.code ?? error.type, ...error } });
}

export function missing(kind: string, id: string, param: string): Answer {
  return stripeError(404, {
    type: 'invalid_request_error',
    code: 'resource_missing',
    param,
    message: `No such ${kind}: '${id}'`,
  });
}

/** Parameters that fail validation: no endpoint began, so no answer is kept. Source: docs.stripe.com/api/idempotent_requests. */
export function invalid(param: string, code = 'parameter_invalid_empty'): Answer {
  return stripeError(400, { type: 'invalid_request_error', code, param });
}
