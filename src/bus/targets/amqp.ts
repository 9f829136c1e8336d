import type * as AmqpDriver from 'rabbitmq-client';
import { openAmqpClient, type AmqpTargetConfig } from './amqp-client';
import { failureOfAmqp } from './amqp-outcome';
import { BrokerSessions, sessionTarget } from './broker-sessions';
import { requireAddress } from './broker-settings';
import { TIMEOUT_PROPERTY, checkedSettings, readTimeoutMs } from './common-settings';
import { ConfigFields } from './config-fields';
import { loadDriver } from './driver';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { Target } from './target';

export type { AmqpTargetConfig } from './amqp-client';

/** Source: AMQP 0-9-1: names and routing keys are short strings of at most 255 bytes; ours are ASCII. */
const NAME = { pattern: /^[\x21-\x7e]*$/, lengthMin: 0, lengthMax: 255 };
const EXCHANGE = { ...NAME, message: 'This must be at most 255 visible ASCII characters.' };
const ROUTING_KEY = { ...EXCHANGE, lengthMin: 1, message: 'This must be 1 to 255 visible ASCII characters.' };

const PROPERTIES = {
  exchange: { type: 'string', default: '', example: 'orders' },
  routingKey: { type: 'string', example: 'order.confirmed' },
  timeoutMs: TIMEOUT_PROPERTY,
} as const;

/**
 * Publishes each event to an exchange of an AMQP 0-9-1 broker (RabbitMQ), persistent, and waits for the broker's
 * confirmation. Every event is mandatory: one that no queue takes comes back, and is not lost in silence.
 */
export function createAmqpTarget(
  config: AmqpTargetConfig,
  deps: Pick<OpenTargetDeps, 'brokers' | 'connection'>,
): Target {
  const address = requireAddress(deps.brokers.amqp, { kind: 'amqp', variable: 'AMQP_URL' });
  const driver = loadDriver<typeof AmqpDriver>('rabbitmq-client', 'amqp');
  const sessions = new BrokerSessions({
    open: () => openAmqpClient(driver, { config, address, connection: deps.connection }),
    failureOf: failureOfAmqp,
    timeoutMs: config.timeoutMs,
  });
  return sessionTarget(sessions, (client, request) => client.publish(request));
}

/** The kind `amqp` of the registry. */
export const amqpKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['basic'],
  validate: parseConfig,
  open: (config, deps) => createAmqpTarget(parseConfig(config), deps),
};

function parseConfig(config: unknown): AmqpTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  const settings = {
    exchange: fields.value('exchange') === undefined ? '' : fields.text('exchange', EXCHANGE),
    routingKey: fields.text('routingKey', ROUTING_KEY),
    timeoutMs: readTimeoutMs(fields),
  };
  return checkedSettings(settings, fields);
}
