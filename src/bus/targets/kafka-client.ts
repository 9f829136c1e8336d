import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type * as KafkaDriver from 'kafkajs';
import type { BrokerClient } from './broker-sessions';
import { messageHeaders } from './broker-settings';
import { type BatchSettings } from './common-settings';
import type { ConnectionSecret } from './connection';
import type { TargetRequest } from './target';

/** Ways to log in, the default first: it shows the password to nobody. */
export const SASL_MECHANISMS = ['scram-sha-512', 'scram-sha-256', 'plain'] as const;

export interface KafkaTargetConfig {
  topic: string;
  timeoutMs: number;
  /** How the credentials of a `basic` connection are shown; without a connection nobody logs in. */
  saslMechanism: (typeof SASL_MECHANISMS)[number];
  tls: boolean;
  batch: BatchSettings;
}

/** Every in-sync replica has it before it counts as delivered. */
const ACKS_ALL = -1;

export interface KafkaClient extends BrokerClient {
  /** Resolves when every in-sync replica has all of them. */
  write(requests: readonly TargetRequest[]): Promise<null>;
}

/** Opens a producer of the driver, without its retries and with sockets that can be closed at once. */
export function openKafkaClient(
  driver: typeof KafkaDriver,
  options: { config: KafkaTargetConfig; brokers: string[]; connection: ConnectionSecret | null },
): KafkaClient {
  const { config, brokers, connection } = options;
  const { timeoutMs, topic, tls } = config;
  const sockets = new Set<Socket>();
  const client = new driver.Kafka({
    clientId: 'aftercommit',
    brokers,
    ssl: tls,
    ...saslOf(connection, config),
    connectionTimeout: timeoutMs,
    authenticationTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    enforceRequestTimeout: true,
    retry: { retries: 0 },
    logLevel: driver.logLevel.NOTHING,
    socketFactory: (address) => keep(sockets, openSocket(address, tls)),
  });
  const producer = client.producer({
    allowAutoTopicCreation: false,
    createPartitioner: driver.Partitioners.DefaultPartitioner,
    retry: { retries: 0 },
  });
  const connected = producer.connect();
  // Who writes hears of it; nobody may be writing any more.
  connected.catch(() => undefined);
  return {
    write: async (requests) => {
      await connected;
      const messages = requests.map(messageOf);
      await producer.send({ topic, messages, acks: ACKS_ALL, timeout: timeoutMs });
      return null;
    },
    close: async () => {
      // The driver waits for answers that may never come; without sockets it has none to wait for.
      for (const socket of sockets) socket.destroy(new Error('The target closes the connection.'));
      await producer.disconnect();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function messageOf(request: TargetRequest): KafkaDriver.Message {
  return { key: request.orderingKey, value: request.payload, headers: messageHeaders(request) };
}

function saslOf(
  connection: ConnectionSecret | null,
  { saslMechanism: mechanism }: KafkaTargetConfig,
): { sasl?: KafkaDriver.SASLOptions } {
  if (connection?.kind !== 'basic') return {};
  const { username, password } = connection;
  return { sasl: { mechanism, username, password } };
}

type SocketAddress = Parameters<KafkaDriver.ISocketFactory>[0];

function openSocket({ host, port, onConnect }: SocketAddress, tls: boolean): Socket {
  if (!tls) return connectSocket({ host, port, noDelay: true }, onConnect);
  // An address is not a server name. Source: RFC 6066, section 3.
  return connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) }, onConnect);
}

function keep(sockets: Set<Socket>, socket: Socket): Socket {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  return socket;
}
