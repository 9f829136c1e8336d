import type { LookupFunction } from 'node:net';
import type { Logger } from '../../log';
import type { AddressPolicy } from './address-guard';
import type { ConnectionSecret } from './connection';
import type { Target } from './target';

/** What every target may need from outside of its own settings. */
export interface TargetDeps extends AddressPolicy {
  logger: Logger;
  /** Milliseconds since 1970. Default: the system's clock. */
  now?: (() => number) | undefined;
  /** Default: the system's resolver. */
  lookup?: LookupFunction | undefined;
}

/** What one target needs. */
export interface OpenTargetDeps extends TargetDeps {
  /** Decrypted credentials, or null when the target names no connection. */
  connection: ConnectionSecret | null;
}

/** One kind of target: how its configuration is checked and how it is opened. One file each. */
export interface TargetKind {
  /**
   * The configuration with its defaults filled in: what is stored, and what `open` takes.
   * @throws InvalidTargetError (not retryable) with a pointer per mistake
   */
  validate(config: unknown, policy: AddressPolicy): object;
  /**
   * What can be checked over the network before a configuration is stored; absent when there is nothing.
   * @throws InvalidTargetError (not retryable)
   */
  verify?(config: object, policy: AddressPolicy, lookup?: LookupFunction): Promise<void>;
  /**
   * Opens the target. Never refuses an address: what became forbidden since it was stored ends in the outcome of `send`.
   * @throws InvalidTargetError (not retryable) when the configuration is not what `validate` returns
   */
  open(config: unknown, deps: OpenTargetDeps): Target;
}
