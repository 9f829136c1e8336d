import { createTarget, validateTargetConfig } from '../../../src/bus/targets';
import type { OpenTargetDeps } from '../../../src/bus/targets/kind';
import { InvalidTargetError, type FieldError } from '../../../src/errors';

/** Settings of a kind with their defaults. */
export function settingsOf(kind: string, config: unknown): object {
  return validateTargetConfig(kind, config, { allowPrivate: false });
}

/** Pointers of what is wrong with settings, in order. */
export function pointersOf(kind: string, config: unknown): string[] {
  return refusalOf(() => settingsOf(kind, config)).map(({ pointer }) => pointer);
}

/** What opening a target says when the operator has configured no broker at all. */
export function refusalWithoutBroker(kind: string, config: unknown): string | undefined {
  const brokers = { kafka: [], rocketmq: null, nats: [], amqp: null };
  const deps = { brokers, connection: null } as unknown as OpenTargetDeps;
  return refusalOf(() => createTarget(kind, config, deps))[0]?.message;
}

function refusalOf(act: () => unknown): FieldError[] {
  try {
    act();
  } catch (error) {
    if (error instanceof InvalidTargetError) return error.fields;
    throw error;
  }
  return [];
}
