/**
 * The payment gateway as the product sees it.
 *
 * Contract: every call carries a business idempotency key; the same key with the same request always has the same
 * outcome at the gateway. A definite answer is returned; a missing or unclear one throws `GatewayUnavailableError`
 * (retryable: repeat with the same key), an answer that contradicts the request throws `GatewayMismatchError`.
 * "Look-up found nothing" is never proof that nothing will happen.
 */
export interface PaymentGateway {
  authorize(request: AuthorizeRequest): Promise<AuthorizeResult>;
  capture(request: CaptureRequest): Promise<CaptureResult>;
  /** Makes a capture impossible, or tells that it has already happened. Definite either way. */
  void(request: VoidRequest): Promise<VoidResult>;
  refund(request: RefundRequest): Promise<RefundResult>;
  /** Authorizations known for a payment, newest first. */
  find(query: { paymentId: string }): Promise<Authorization[]>;
  /**
   * A page of what was authorized since a time, in the gateway's order, for reconciliation: money that the gateway holds and that
   * nobody here asked about. What changes while it is paged may be missing or there twice.
   */
  list(query: ListQuery): Promise<AuthorizationPage>;
  close(): Promise<void>;
}

/**
 * The gateway stored a failure of its own as this key's answer for good, and the call may or may not have taken effect:
 * the key is burnt. Look up what happened (`find`), and only then call again with a new key.
 */
export interface StoredError {
  kind: 'stored_error';
  code: string;
}

export interface AuthorizeRequest {
  idempotencyKey: string;
  paymentId: string;
  orderId: string;
  amountMinor: number;
  currency: string;
  /** The caller's token of a payment method, for instance `tok_visa`. */
  method: string;
}

export type AuthorizeResult =
  | { kind: 'authorized'; authorizationId: string }
  | { kind: 'declined'; code: string }
  /**
   * The customer must act first (3-D Secure), at `actionUrl` when the gateway has a page for it. The authorization exists
   * and can be voided; a webhook tells that it is `authorized` or `declined`, and `find` does too.
   */
  | { kind: 'requires_action'; authorizationId: string; actionUrl?: string }
  | StoredError;

export interface CaptureRequest {
  idempotencyKey: string;
  authorizationId: string;
  amountMinor: number;
  currency: string;
}

export type CaptureResult =
  { kind: 'captured'; captureId: string } | { kind: 'refused'; code: string } | StoredError;

export interface VoidRequest {
  idempotencyKey: string;
  authorizationId: string;
}

export type VoidResult = { kind: 'voided' } | { kind: 'already_captured'; captureId: string };

export interface RefundRequest {
  idempotencyKey: string;
  refundId: string;
  captureId: string;
  amountMinor: number;
  currency: string;
}

export type RefundResult =
  { kind: 'refunded'; gatewayRefundId: string } | { kind: 'refused'; code: string } | StoredError;

export interface Authorization {
  authorizationId: string;
  status: 'authorized' | 'declined' | 'requires_action' | 'captured' | 'voided';
  amountMinor: number;
  currency: string;
  captureId: string | null;
  /** What went back of the capture: a refund whose key is burnt is looked up here by its refundId. */
  refunds: FoundRefund[];
}

export interface FoundRefund {
  refundId: string;
  gatewayRefundId: string;
  amountMinor: number;
}

export interface ListQuery {
  /** RFC 3339. Authorizations made at or after it. */
  createdSince: string;
  /** `next` of the page before. */
  after?: string;
}

export interface AuthorizationPage {
  authorizations: ListedAuthorization[];
  /** Null on the last page. A page may be empty and not the last. */
  next: string | null;
}

export interface ListedAuthorization extends Authorization {
  paymentId: string;
  orderId: string;
  /** RFC 3339. */
  createdAt: string;
}
