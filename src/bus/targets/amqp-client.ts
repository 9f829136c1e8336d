import { setImmediate } from 'node:timers/promises';
import type * as AmqpDriver from 'rabbitmq-client';
import { failureOfAmqp, UNROUTABLE } from './amqp-outcome';
import { MESSAGE_TOO_LARGE, type BrokerFailure } from './broker-outcome';
import type { BrokerClient } from './broker-sessions';
import { messageHeaders } from './broker-settings';
import type { ConnectionSecret } from './connection';
import type { TargetRequest } from './target';

export interface AmqpTargetConfig {
  /** Empty for the default exchange, where the routing key is the name of a queue. */
  exchange: string;
  routingKey: string;
  timeoutMs: number;
}

/** As a socket that dies without a word is otherwise found only by a timeout of a send. Seconds. */
const HEARTBEAT_S = 30;

export interface AmqpClient extends BrokerClient {
  publish(request: TargetRequest): Promise<BrokerFailure | null>;
}

/** Opens a connection of the driver, without its own way to connect again. */
export function openAmqpClient(
  driver: typeof AmqpDriver,
  options: { config: AmqpTargetConfig; address: string; connection: ConnectionSecret | null },
): AmqpClient {
  const { config } = options;
  const { timeoutMs } = config;
  const connection = new driver.Connection({
    url: urlWith(options.address, options.connection),
    connectionName: 'aftercommit',
    acquireTimeout: timeoutMs,
    connectionTimeout: timeoutMs,
    heartbeat: HEARTBEAT_S,
    noDelay: true,
  });
  // The driver would try to connect again by itself, for ever; a session that lost its connection is given up instead.
  const lost = new Promise<never>((_resolve, reject) => connection.once('error', reject));
  lost.catch(() => undefined);
  connection.on('error', () => undefined);
  const publisher = new Publisher(connection, config);
  return {
    publish: (request) => Promise.race([publisher.publish(request), lost]),
    close: () => {
      connection.unsafeDestroy();
      return Promise.resolve();
    },
  };
}

/** Publishes on one channel that all sends share; a refusal closes it, and the next send gets a new one. */
class Publisher {
  readonly #connection: AmqpDriver.Connection;
  readonly #config: AmqpTargetConfig;
  #shared: Promise<AmqpDriver.Channel> | null = null;

  constructor(connection: AmqpDriver.Connection, config: AmqpTargetConfig) {
    this.#connection = connection;
    this.#config = config;
  }

  async publish(request: TargetRequest): Promise<BrokerFailure | null> {
    const channel = await this.#channel();
    try {
      return await publishOn(channel, request, this.#config);
    } catch (error) {
      // A broker that refuses an event for its size closes the channel and does not say which one it was: the driver
      // blames the oldest. So this one is judged alone.
      if (failureOfAmqp(error) !== MESSAGE_TOO_LARGE) throw error;
      return await this.#publishAlone(request);
    }
  }

  async #publishAlone(request: TargetRequest): Promise<BrokerFailure | null> {
    const channel = await this.#openChannel();
    try {
      return await publishOn(channel, request, this.#config);
    } finally {
      await channel.close();
    }
  }

  #channel(): Promise<AmqpDriver.Channel> {
    if (this.#shared !== null) return this.#shared;
    const opening = this.#openChannel();
    const forget = (): void => {
      if (this.#shared === opening) this.#shared = null;
    };
    this.#shared = opening;
    opening.then((channel) => channel.once('close', forget), forget);
    return opening;
  }

  async #openChannel(): Promise<AmqpDriver.Channel> {
    const channel = await this.#connection.acquire();
    // One listener for each event that is under way.
    channel.setMaxListeners(0);
    await channel.confirmSelect();
    return channel;
  }
}

/** A returned event is confirmed too, right after it came back. Source: RabbitMQ, "Publishers", "Unroutable messages". */
async function publishOn(
  channel: AmqpDriver.Channel,
  request: TargetRequest,
  { exchange, routingKey }: AmqpTargetConfig,
): Promise<BrokerFailure | null> {
  const headers = messageHeaders(request);
  let isReturned = false;
  const onReturn = (message: AmqpDriver.ReturnedMessage): void => {
    const returned = message.headers as Record<string, unknown> | undefined;
    isReturned ||= ['delivery-id', 'replay-id'].every((name) => returned?.[name] === headers[name]);
  };
  channel.on('basic.return', onReturn);
  try {
    await channel.basicPublish(
      {
        exchange,
        routingKey,
        mandatory: true,
        durable: true,
        messageId: request.event.id,
        type: request.event['detail-type'],
        contentType: 'application/json',
        // Else the driver writes the time of the sending, which is another one on each repeat. Seconds.
        timestamp: Math.floor(Date.parse(request.event.time) / 1_000),
        headers,
      },
      Buffer.from(request.payload, 'utf8'),
    );
    // The driver tells a return one turn later than it tells the confirmation behind it.
    await setImmediate();
    return isReturned ? UNROUTABLE : null;
  } finally {
    channel.off('basic.return', onReturn);
  }
}

/** The driver takes credentials from the URL only, when there is one. */
function urlWith(address: string, connection: ConnectionSecret | null): string {
  const url = new URL(address);
  const { username, password } =
    connection?.kind === 'basic' ? connection : { username: 'guest', password: 'guest' };
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  return url.href;
}
