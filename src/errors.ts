/**
 * Every failure that the product expects, one class each. The class decides the stable code that callers match on,
 * the HTTP status, and whether Temporal repeats the activity that threw it. Bugs throw RangeError or TypeError.
 * Messages never hold a phone number, card data, a token or SQL.
 */

/** Points at the member of a request that is wrong. `pointer` is an RFC 6901 JSON pointer. */
export interface FieldError {
  pointer: string;
  message: string;
}

/** Extra facts that go with an error to the person who gets it. */
export interface ErrorDetails {
  fields?: FieldError[];
  /** Seconds after which a repeat makes sense; becomes the Retry-After header. */
  retryAfterSeconds?: number;
  /** Members added to the problem document, such as the state that made a request too late. */
  extensions?: Record<string, string | number | boolean>;
  cause?: unknown;
}

export class AppError extends Error {
  static readonly code: string = 'internal_error';
  static readonly httpStatus: number = 500;
  /** True when the same call may succeed later with nothing changed by the caller. */
  static readonly retryable: boolean = false;

  readonly code: string;
  readonly httpStatus: number;
  readonly retryable: boolean;
  readonly fields: FieldError[];
  readonly retryAfterSeconds: number | undefined;
  readonly extensions: Record<string, string | number | boolean>;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = new.target.code;
    this.httpStatus = new.target.httpStatus;
    this.retryable = new.target.retryable;
    this.fields = details.fields ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.extensions = details.extensions ?? {};
  }
}

function errorClass(code: string, httpStatus: number, retryable = false): typeof AppError {
  return class extends AppError {
    static override readonly code = code;
    static override readonly httpStatus = httpStatus;
    static override readonly retryable = retryable;
  };
}

// --- The request is not well formed: nothing was read or written. ---------------------------------------------------
/** The body, a header, a parameter or a query member has the wrong form. */
export class MalformedRequestError extends errorClass('malformed_request', 400) {}
export class IdempotencyKeyMissingError extends errorClass('idempotency_key_missing', 400) {}
export class IdempotencyKeyMalformedError extends errorClass('idempotency_key_malformed', 400) {}
export class UnauthenticatedError extends errorClass('unauthenticated', 401) {}
export class ForbiddenError extends errorClass('forbidden', 403) {}
/** A webhook that its provider did not sign, or whose signature nobody can check. */
export class SignatureRefusedError extends errorClass('signature_refused', 403) {}
export class NotFoundError extends errorClass('not_found', 404) {}
export class UnknownSaleError extends errorClass('unknown_sale', 404) {}
export class MethodNotAllowedError extends errorClass('method_not_allowed', 405) {}
export class RequestTimeoutError extends errorClass('request_timeout', 408) {}
export class BodyTooLargeError extends errorClass('body_too_large', 413) {}
export class UnsupportedMediaTypeError extends errorClass('unsupported_media_type', 415) {}
/** More orders wait to be committed than can be soon. Nothing was written. */
export class QueueFullError extends errorClass('queue_full', 429, true) {}
export class TooManyRequestsError extends errorClass('too_many_requests', 429, true) {}

// --- The request is well formed and a value in it is refused. -------------------------------------------------------
export class InvalidValueError extends errorClass('invalid_value', 422) {}
export class IdempotencyKeyReusedError extends errorClass('idempotency_key_reused', 422) {}
export class UnknownSkuError extends errorClass('unknown_sku', 422) {}
/** A sale offers more than there is. */
export class QuantityAboveStockError extends errorClass('quantity_above_stock', 422) {}
/** More than what was captured and is not yet refunded. */
export class RefundExceedsCapturedError extends errorClass('refund_exceeds_captured', 422) {}
/** A rule, target, connection or template breaks a rule of its own language. */
export class InvalidPatternError extends errorClass('invalid_pattern', 422) {}
export class InvalidTransformerError extends errorClass('invalid_transformer', 422) {}
export class InvalidTargetError extends errorClass('invalid_target', 422) {}
export class InvalidConnectionError extends errorClass('invalid_connection', 422) {}
export class InvalidTemplateError extends errorClass('invalid_template', 422) {}

// --- The request is fine and the state of things refuses it. --------------------------------------------------------
export class OutOfStockError extends errorClass('out_of_stock', 409) {}
/** The back-check, or the workflow itself, fenced the commit: it has not happened and never can. */
export class TransactionClosedError extends errorClass('transaction_closed', 409) {}
export class OrderNotCancellableError extends errorClass('order_not_cancellable', 409) {}
export class NothingCapturedError extends errorClass('nothing_captured', 409) {}
/** The order does not wait for a payment, or no longer. */
export class OrderNotPayableError extends errorClass('order_not_payable', 409) {}
/** One payment at a time: another one for the order has no outcome yet, or has paid for it. */
export class PaymentInProgressError extends errorClass('payment_in_progress', 409) {}
/** A payment is still being settled or undone: refunds wait for its end. */
export class OrderNotSettledError extends errorClass('order_not_settled', 409) {}
/** What was asked cannot be done in the state that the thing is in; `state` says which. */
export class ConflictingStateError extends errorClass('conflicting_state', 409) {}
/** An order needs a carrier, a points ledger or a cart that this installation does not have. */
export class ParticipantMissingError extends errorClass('participant_missing', 409) {}
/** An operator decided about this parked step already, or nobody has to any more. */
export class StepResolvedError extends errorClass('step_resolved', 409) {}
/** A target needs an optional package that is not installed. */
export class MissingDriverError extends errorClass('missing_driver', 409) {}
/** A message is on its way already: another one now could be one too many. */
export class NotificationInProgressError extends errorClass('notification_in_progress', 409) {}
/** Nothing is left of it to cancel. */
export class NotificationEndedError extends errorClass('notification_ended', 409) {}
/** The person was erased: nobody knows the number any more. */
export class ContactErasedError extends errorClass('contact_erased', 409) {}
/** A request of the customer has no outcome yet, or goods are to be sent: what is to be erased is still needed. */
export class OrderUndecidedError extends errorClass('order_undecided', 409, true) {}
/** Something else still names the thing that was to be deleted. */
export class InUseError extends errorClass('in_use', 409) {}
/** A database step came from a run that a rebuild has replaced. */
export class EpochConflictError extends errorClass('epoch_conflict', 409) {}

/** A group of the flash lane takes no orders any more: they are committed in the next one. Callers never see it. */
export class GroupClosedError extends errorClass('group_closed', 503, true) {}
/** Events were routed by rules that are not the latest: they are routed again. Callers never see it. */
export class RulesChangedError extends errorClass('rules_changed', 503, true) {}
/** The sale has not begun. */
export class SaleNotOpenError extends errorClass('sale_not_open', 409) {}
/** The sale is over. */
export class SaleClosedError extends errorClass('sale_closed', 409) {}
/** Nothing is left of what the sale offers; units that come back are for sale again. */
export class SoldOutError extends errorClass('sold_out', 409) {}
/** The customer has as many units of the sale as one customer may have. */
export class CustomerLimitError extends errorClass('customer_limit', 409) {}

// --- Other people's systems. ----------------------------------------------------------------------------------------
/** The issuer refused the charge: definite, never repeated. */
export class PaymentDeclinedError extends errorClass('payment_declined', 402) {}
/** The gateway refused a refund or a void for good: an operator must decide. */
export class RefundRefusedError extends errorClass('refund_refused', 409) {}
/** No answer, or one that proves nothing: the outcome is unknown and the same call with the same key is repeated. */
export class GatewayUnavailableError extends errorClass('gateway_unavailable', 503, true) {}
/** The gateway's answer contradicts the request (another amount or currency): an operator must look. */
export class GatewayMismatchError extends errorClass('gateway_mismatch', 502) {}

// --- Our own parts. -------------------------------------------------------------------------------------------------
export class DatabaseUnavailableError extends errorClass('database_unavailable', 503, true) {}
export class TemporalUnavailableError extends errorClass('temporal_unavailable', 503, true) {}
export class ShuttingDownError extends errorClass('shutting_down', 503, true) {}
/** A setting is missing or wrong: the process must not start. */
export class ConfigError extends errorClass('invalid_config', 500) {}
/** Anything unforeseen. The cause goes to the log, never to the caller. */
export class InternalError extends errorClass('internal_error', 500) {}
