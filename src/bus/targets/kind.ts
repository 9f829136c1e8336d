import type { LookupFunction } from 'node:net';
import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from '../../log';
import type { AddressPolicy } from './address-guard';
import type { ConnectionKind, ConnectionSecret, WebhookSecret } from './connection';
import type { Target } from './target';

/** Where the brokers are. The operator says so in the environment; an API caller cannot point the service elsewhere. */
export interface BrokerAddresses {
  /** `host:port` each; empty when there is none. */
  kafka: readonly string[];
  /** `host:port` of the proxy's gRPC port. */
  rocketmq: string | null;
  /** `host:port` or `nats://…` each. */
  nats: readonly string[];
  /** `amqp://host:port/vhost` or `amqps://…`, without credentials. */
  amqp: string | null;
}

/** What every target may need from outside of its own settings. */
export interface TargetDeps extends AddressPolicy {
  logger: Logger;
  brokers: BrokerAddresses;
  /** The service's own database, for targets that write into another schema of it. */
  pool: Pool;
  /** The service's own Temporal client, for targets that start or signal a workflow. */
  temporal: () => Client;
  /** Milliseconds since 1970. Default: the system's clock. */
  now?: (() => number) | undefined;
  /** Default: the system's resolver. */
  lookup?: LookupFunction | undefined;
}

/** What one target needs. */
export interface OpenTargetDeps extends TargetDeps {
  /** Decrypted credentials, or null when the target names no connection. */
  connection: ConnectionSecret | null;
  /** Decrypted signing secrets, or null when the target signs nothing. */
  signature: WebhookSecret | null;
}

/** One kind of target: how its configuration is checked and how it is opened. One file each. */
export interface TargetKind {
  /** Its settings as properties of a JSON schema, for the API document. What is not named here is refused. */
  properties: Readonly<Record<string, object>>;
  /** Kinds of connections that it can use; empty when it uses none. */
  connections: readonly ConnectionKind[];
  /** True when it signs what it sends with a `webhook_secret` connection. */
  signs?: boolean;
  /** False when what it is sent is stored where personal data must not be, so that no template may name the customer. */
  takesPersonalData?: boolean;
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
   * Opens the target; connects on the first send. Never refuses an address: what became forbidden since it was stored
   * ends in the outcome of `send`.
   * @throws InvalidTargetError (not retryable) when the configuration is not what `validate` returns
   * @throws MissingDriverError (not retryable) when the optional package that the kind needs is not installed
   */
  open(config: unknown, deps: OpenTargetDeps): Target;
}
