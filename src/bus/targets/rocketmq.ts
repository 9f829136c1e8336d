import type * as RocketmqDriver from 'rocketmq-client-nodejs';
import { BrokerSessions, sessionTarget } from './broker-sessions';
import { messageHeaders, readFlag, requireAddress } from './broker-settings';
import { TIMEOUT_PROPERTY, checkedSettings, readTimeoutMs } from './common-settings';
import { ConfigFields } from './config-fields';
import { loadDriver } from './driver';
import type { OpenTargetDeps, TargetKind } from './kind';
import { failureOfRocketmq } from './rocketmq-outcome';
import { openRocketmqProducer } from './rocketmq-producer';
import type { Target, TargetRequest } from './target';

/** Source: RocketMQ, "Parameter limits": letters, digits, `%`, `-`, `_` and `|`, 1 to 127 of them for a topic. */
const TOPIC = {
  pattern: /^[%|a-zA-Z0-9_-]+$/,
  lengthMax: 127,
  message: 'This must be a topic of 1 to 127 letters, digits, hyphens, underscores, % and |.',
};
/** `|` divides tags in a subscription. */
const TAG = {
  pattern: /^[^|\s\p{Cc}]+$/u,
  lengthMax: 128,
  message: 'This must be a tag of 1 to 128 characters without spaces and |.',
};

const PROPERTIES = {
  topic: { type: 'string', example: 'orders' },
  tag: { type: 'string', example: 'confirmed' },
  timeoutMs: TIMEOUT_PROPERTY,
  fifo: { type: 'boolean', default: false },
} as const;

export interface RocketmqTargetConfig {
  topic: string;
  tag?: string;
  timeoutMs: number;
  /** The topic is of type FIFO, and the ordering key is the message group. */
  fifo: boolean;
}

/**
 * Sends each event to one topic through RocketMQ's gRPC proxy, with the event's id for its key. The broker has stored it
 * when it counts as delivered.
 */
export function createRocketmqTarget(
  config: RocketmqTargetConfig,
  deps: Pick<OpenTargetDeps, 'brokers' | 'connection'>,
): Target {
  const endpoints = requireAddress(deps.brokers.rocketmq, {
    kind: 'rocketmq',
    variable: 'ROCKETMQ_ENDPOINTS',
  });
  const driver = loadDriver<typeof RocketmqDriver>('rocketmq-client-nodejs', 'rocketmq');
  const { timeoutMs } = config;
  const sessions = new BrokerSessions({
    open: () => openRocketmqProducer(driver, { endpoints, timeoutMs, connection: deps.connection }),
    failureOf: failureOfRocketmq,
    timeoutMs,
  });
  return sessionTarget(sessions, async (client, request) => {
    await client.send(messageOf(request, config));
    return null;
  });
}

/** The kind `rocketmq` of the registry. */
export const rocketmqKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['basic'],
  validate: parseConfig,
  open: (config, deps) => createRocketmqTarget(parseConfig(config), deps),
};

function parseConfig(config: unknown): RocketmqTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  const settings = {
    topic: fields.text('topic', TOPIC),
    ...(fields.value('tag') === undefined ? {} : { tag: fields.text('tag', TAG) }),
    timeoutMs: readTimeoutMs(fields),
    fifo: readFlag(fields, 'fifo'),
  };
  return checkedSettings(settings, fields);
}

function messageOf(
  request: TargetRequest,
  { topic, tag, fifo }: RocketmqTargetConfig,
): RocketmqDriver.MessageOptions {
  return {
    topic,
    body: Buffer.from(request.payload, 'utf8'),
    keys: [request.event.id],
    properties: new Map(Object.entries(messageHeaders(request))),
    ...(tag === undefined ? {} : { tag }),
    ...(fifo ? { messageGroup: request.orderingKey } : {}),
  };
}
