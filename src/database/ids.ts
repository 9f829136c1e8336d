import { hash } from 'node:crypto';

/**
 * UUIDv5 of RFC 9562: the same namespace and name always give the same id, so a repeat meets its own rows.
 * @throws TypeError when `namespace` is not a UUID: a bug in the caller
 */
export function uuidV5(namespace: string, name: string): string {
  const space = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  if (space.length !== 16) throw new TypeError('namespace must be a UUID');
  // In one call: an order has seven ids, and a hash object for each took three times as long.
  const bytes = hash('sha1', Buffer.concat([space, Buffer.from(name, 'utf8')]), 'buffer').subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text may be looked up as an id of ours: other systems name what they like. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Source: design, section 3. The caller's name keeps callers apart; the newline cannot stand in either part. */
export function orderIdOf(namespace: string, caller: string, idempotencyKey: string): string {
  return uuidV5(namespace, `${caller}\n${idempotencyKey}`);
}

/** Source: reliability, INV-OUTBOX. */
export function eventIdOf(orderId: string, type: string, seq: number): string {
  return uuidV5(orderId, `${type}\n${seq}`);
}

export function paymentIdOf(orderId: string): string {
  return uuidV5(orderId, 'payment');
}

/** A payment that a caller asked for, of an order that waits for one. */
export function requestedPaymentIdOf(orderId: string, caller: string, idempotencyKey: string): string {
  return uuidV5(orderId, `payment\n${caller}\n${idempotencyKey}`);
}

export function shipmentIdOf(orderId: string): string {
  return uuidV5(orderId, 'shipment');
}

/** Of the points ledger. */
export function pointsEntryIdOf(orderId: string): string {
  return uuidV5(orderId, 'points');
}

/** A refund that a caller asked for. */
export function refundIdOf(orderId: string, caller: string, idempotencyKey: string): string {
  return uuidV5(orderId, `refund\n${caller}\n${idempotencyKey}`);
}

/** The undo of a whole payment, whoever asks for it. Source: design, saga rules. */
export function undoRefundIdOf(paymentId: string): string {
  return uuidV5(paymentId, 'undo');
}

/** A reconciliation that a caller asked for. */
export function reconciliationIdOf(namespace: string, caller: string, idempotencyKey: string): string {
  return uuidV5(namespace, `reconciliation\n${caller}\n${idempotencyKey}`);
}

export function notificationIdOf(eventId: string, customerId: string, template: string): string {
  return uuidV5(eventId, `${template}\n${customerId}`);
}

export function attemptIdOf(notificationId: string, n: number): string {
  return uuidV5(notificationId, `attempt\n${n}`);
}

/** @param replayId - of the replay that sends the event again; null for its first delivery */
export function deliveryIdOf(
  eventId: string,
  route: { ruleName: string; targetName: string },
  replayId: string | null,
): string {
  const name = `${route.ruleName}\n${route.targetName}`;
  return uuidV5(eventId, replayId === null ? name : `${name}\n${replayId}`);
}
