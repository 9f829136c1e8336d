import type * as JetStreamDriver from '@nats-io/jetstream';
import type * as NatsDriver from '@nats-io/transport-node';
import { BROKER_UNAVAILABLE, type BrokerFailure } from './broker-outcome';
import { BrokerSessions, sessionTarget, type BrokerClient } from './broker-sessions';
import { messageHeaders, requireAddress } from './broker-settings';
import { TIMEOUT_PROPERTY, checkedSettings, readTimeoutMs } from './common-settings';
import { ConfigFields } from './config-fields';
import type { ConnectionSecret } from './connection';
import { loadDriver } from './driver';
import type { OpenTargetDeps, TargetKind } from './kind';
import { UNKNOWN_STREAM, failureOfNats, isNoResponders } from './nats-outcome';
import type { Target, TargetRequest } from './target';

/** Source: NATS, "Subject-Based Messaging": tokens with dots between them; `*` and `>` are wildcards, `$` is the server's. */
const SUBJECT = {
  pattern: /^(?!\$)[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u,
  lengthMax: 255,
  message: 'This must be a subject of 1 to 255 characters, its tokens divided by dots, without wildcards.',
};

const PROPERTIES = {
  subject: { type: 'string', example: 'orders.confirmed' },
  timeoutMs: TIMEOUT_PROPERTY,
} as const;

export interface NatsTargetConfig {
  subject: string;
  timeoutMs: number;
}

interface Drivers {
  nats: typeof NatsDriver;
  jetstream: typeof JetStreamDriver;
}

/**
 * Publishes each event to one subject that a stream takes, and waits until the stream has stored it. Within its
 * deduplication window the stream drops a repeat, by the id of the delivery: an event's own id would also drop what a second
 * rule makes of the event. A replay is no repeat, so its id is part of it.
 */
export function createNatsTarget(
  config: NatsTargetConfig,
  deps: Pick<OpenTargetDeps, 'brokers' | 'connection'>,
): Target {
  const servers = requireAddress(deps.brokers.nats, { kind: 'nats', variable: 'NATS_SERVERS' });
  const drivers: Drivers = {
    nats: loadDriver('@nats-io/transport-node', 'nats'),
    jetstream: loadDriver('@nats-io/jetstream', 'nats'),
  };
  const sessions = new BrokerSessions({
    open: () => openClient(drivers, { config, servers, connection: deps.connection }),
    failureOf: failureOfNats,
    timeoutMs: config.timeoutMs,
  });
  return sessionTarget(sessions, (client, request) => client.publish(request));
}

/** The kind `nats` of the registry. */
export const natsKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['basic', 'bearer'],
  validate: parseConfig,
  open: (config, deps) => createNatsTarget(parseConfig(config), deps),
};

function parseConfig(config: unknown): NatsTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  return checkedSettings(
    { subject: fields.text('subject', SUBJECT), timeoutMs: readTimeoutMs(fields) },
    fields,
  );
}

interface NatsClient extends BrokerClient {
  publish(request: TargetRequest): Promise<BrokerFailure | null>;
}

function openClient(
  { nats, jetstream }: Drivers,
  options: { config: NatsTargetConfig; servers: readonly string[]; connection: ConnectionSecret | null },
): NatsClient {
  const { config, servers, connection } = options;
  const { subject, timeoutMs: timeout } = config;
  const connected = nats.connect({
    name: 'aftercommit',
    servers: [...servers],
    timeout,
    reconnect: false,
    ...credentialsOf(connection),
  });
  // Who publishes hears of it; nobody may be publishing any more.
  connected.catch(() => undefined);
  return {
    publish: async (request) => {
      const stream = jetstream.jetstream(await connected, { timeout });
      try {
        await stream.publish(subject, request.payload, publishOptions(request, { nats, timeout }));
        return null;
      } catch (error) {
        if (!isNoResponders(error)) throw error;
        const manager = await stream.jetstreamManager(false);
        return await failureWithoutListener(manager, subject);
      }
    },
    close: async () => (await connected).close(),
  };
}

/**
 * Nobody listening may also mean that a cluster has just no leader for the stream. So the answer is asked for: only a broker
 * that says that there is no stream makes it final.
 */
async function failureWithoutListener(
  manager: JetStreamDriver.JetStreamManager,
  subject: string,
): Promise<BrokerFailure> {
  const names = await manager.streams.names(subject).next();
  return names.length === 0 ? UNKNOWN_STREAM : BROKER_UNAVAILABLE;
}

function publishOptions(
  request: TargetRequest,
  { nats, timeout }: { nats: typeof NatsDriver; timeout: number },
): Partial<JetStreamDriver.JetStreamPublishOptions> {
  const headers = nats.headers();
  for (const [name, value] of Object.entries(messageHeaders(request))) headers.set(name, value);
  const { deliveryId, replayId } = request;
  return { headers, timeout, msgID: replayId === null ? deliveryId : `${deliveryId}:${replayId}` };
}

function credentialsOf(connection: ConnectionSecret | null): Partial<NatsDriver.ConnectionOptions> {
  if (connection?.kind === 'basic') return { user: connection.username, pass: connection.password };
  if (connection?.kind === 'bearer') return { token: connection.token };
  return {};
}
