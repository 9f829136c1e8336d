import { InvalidTargetError } from '../../errors';
import type { ConfigFields } from './config-fields';
import type { TargetRequest } from './target';

export function readFlag(fields: ConfigFields, name: string): boolean {
  const value = fields.value(name);
  if (typeof value === 'boolean') return value;
  if (value !== undefined) fields.refuse([name], 'This must be true or false.');
  return false;
}

/**
 * The broker's address, which only the operator sets: whoever may store a target cannot point the service elsewhere.
 * @throws InvalidTargetError (not retryable) naming the variable of the environment that is not set
 */
export function requireAddress<Address extends string | readonly string[]>(
  address: Address | null,
  { kind, variable }: { kind: string; variable: string },
): Address {
  if (address !== null && address.length > 0) return address;
  const message = `A target of kind ${kind} needs ${variable} in the environment of the service, which is not set.`;
  throw new InvalidTargetError(message, { fields: [{ pointer: '/kind', message }] });
}

/** What travels beside the payload, the same on every repeat. `replay-id` is there only when a replay sends it. */
export function messageHeaders(request: TargetRequest): Record<string, string> {
  const { event, deliveryId, ruleName, orderingKey, replayId } = request;
  return {
    'event-id': event.id,
    'event-type': event['detail-type'],
    'event-source': event.source,
    'delivery-id': deliveryId,
    'rule-name': ruleName,
    'ordering-key': orderingKey,
    ...(replayId === null ? {} : { 'replay-id': replayId }),
  };
}
