import type { LookupFunction } from 'node:net';
import { InvalidTargetError } from '../../errors';
import type { AddressPolicy } from './address-guard';
import { amqpKind } from './amqp';
import { eventBridgeKind } from './eventbridge';
import { httpKind } from './http';
import { kafkaKind } from './kafka';
import type { OpenTargetDeps, TargetKind } from './kind';
import { logKind } from './log';
import { natsKind } from './nats';
import { postgresKind } from './postgres';
import { rocketmqKind } from './rocketmq';
import { workflowKind } from './workflow';
import { snsKind } from './sns';
import { sqsKind } from './sqs';
import type { Target } from './target';

/** Every kind of target. A new kind is one file and one line here. */
const KINDS = new Map<string, TargetKind>([
  ['http', httpKind],
  ['log', logKind],
  ['postgres', postgresKind],
  ['workflow', workflowKind],
  ['eventbridge', eventBridgeKind],
  ['sns', snsKind],
  ['sqs', sqsKind],
  ['kafka', kafkaKind],
  ['nats', natsKind],
  ['rocketmq', rocketmqKind],
  ['amqp', amqpKind],
]);

/** For documents and error messages. */
export const TARGET_KINDS: readonly string[] = [...KINDS.keys()];

/**
 * What a caller may say about a target of this kind.
 * @throws InvalidTargetError (not retryable) with the pointer `/kind` for an unknown kind
 */
export function targetKindOf(
  kind: string,
): Pick<TargetKind, 'properties' | 'connections' | 'signs' | 'takesPersonalData'> {
  return kindOf(kind);
}

/**
 * Checks a target's settings as a caller gives them; what comes back has its defaults and is what to store.
 * @param config - parsed JSON: the members that belong to the kind, without `kind`, `connection` and `retry`
 * @throws InvalidTargetError (not retryable) with a JSON pointer per mistake, `/kind` for an unknown kind
 */
export function validateTargetConfig(kind: string, config: unknown, policy: AddressPolicy): object {
  return kindOf(kind).validate(config, policy);
}

/**
 * The checks that need the network, made once before a valid configuration is stored: a host name that points to a
 * private address is refused.
 * @throws InvalidTargetError (not retryable)
 */
export async function verifyTargetConfig(
  kind: string,
  config: object,
  policy: AddressPolicy,
  lookup?: LookupFunction,
): Promise<void> {
  await kindOf(kind).verify?.(config, policy, lookup);
}

/**
 * Opens a target with its stored settings. The caller closes it.
 * @throws InvalidTargetError (not retryable) for an unknown kind or settings that `validateTargetConfig` did not return
 */
export function createTarget(kind: string, config: unknown, deps: OpenTargetDeps): Target {
  return kindOf(kind).open(config, deps);
}

function kindOf(kind: string): TargetKind {
  const found = KINDS.get(kind);
  if (found !== undefined) return found;
  const message = `There is no kind ${JSON.stringify(kind)} of target; there are ${TARGET_KINDS.join(', ')}.`;
  throw new InvalidTargetError(message, { fields: [{ pointer: '/kind', message }] });
}
