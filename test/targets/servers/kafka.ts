import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { findOnPath, runCommand } from '../../../src/dev/commands';
import { findFreePort } from '../../../src/dev/ports';
import { startFaultProxy, type FaultProxy } from '../../chaos/fault-proxy';
import { mavenJars } from './maven';
import { loopback, startRestartable, type RestartableServer } from './restartable';

export const KAFKA_VERSION = '4.4.0';
/** Small, so that a test for an event that is too large needs none of 1 MB. Bytes. */
export const KAFKA_MESSAGE_BYTES_MAX = 65_536;
export const KAFKA_LOGIN = { username: 'aftercommit', password: 'kafka-test-password' };

/** A broker with one node, and a proxy that its clients are told to use. */
export interface KafkaServer extends RestartableServer {
  proxy: FaultProxy;
  /** Around the proxy, for what looks on. */
  direct: Kafka;
  admin: Admin;
  /** Where a login is asked for (SASL, mechanism plain). */
  saslAddress: string;
}

const FORMAT_MS_MAX = 60_000;

/** Fetches Kafka with Maven when it is not in the cache, and starts it. */
export async function startKafka(env: NodeJS.ProcessEnv): Promise<KafkaServer> {
  const classPath = await mavenJars('kafka', [`org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`], {
    env,
    exclude: ['org.apache.kafka:kafka-tools-api'],
  });
  const java = (await findOnPath('java', env)) ?? 'java';
  const taken = new Set<number>();
  const ports: number[] = [];
  for (const name of ['clients', 'direct', 'sasl', 'controller']) {
    const port = await findFreePort({ name: `Kafka, ${name}`, preferred: 0, taken });
    taken.add(port);
    ports.push(port);
  }
  const [clients, direct, sasl, controller] = ports as [number, number, number, number];
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: clients });
  const kafka = new Kafka({
    brokers: [loopback(direct)],
    logLevel: logLevel.NOTHING,
    // A topic that was just made has no leader for a moment.
    retry: { retries: 20, initialRetryTime: 50, maxRetryTime: 500 },
  });
  const server = await startRestartable('kafka', async (directory) => {
    const file = path.join(directory, 'server.properties');
    await writeFile(
      file,
      propertiesOf({ directory, clients, direct, sasl, controller, proxied: proxy.port }),
    );
    const run = ['-XX:+UseSerialGC', '-Xmx384m', '-cp', classPath];
    const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', file];
    const formatted = await runCommand({
      command: java,
      args: [...run, ...format],
      env,
      timeoutMs: FORMAT_MS_MAX,
    });
    if (!formatted.succeeded) throw new Error(`Kafka's storage: ${formatted.failure}: ${formatted.output}`);
    return { command: java, args: [...run, 'kafka.Kafka', file], env, answers: () => answers(kafka) };
  });
  const admin = kafka.admin();
  return {
    ...server,
    proxy,
    direct: kafka,
    admin,
    saslAddress: loopback(sasl),
    async stop() {
      await admin.disconnect();
      await proxy.close();
      await server.stop();
    },
  };
}

async function answers(kafka: Kafka): Promise<boolean> {
  const admin = kafka.admin({ retry: { retries: 0 } });
  try {
    await admin.connect();
    await admin.listTopics();
    return true;
  } finally {
    await admin.disconnect();
  }
}

/** Source: Kafka's own format: 16 random bytes in URL-safe base64, which does not begin with a hyphen. */
function clusterId(): string {
  return Buffer.from(randomUUID().slice(0, 16)).toString('base64url');
}

interface Ports {
  directory: string;
  clients: number;
  direct: number;
  sasl: number;
  controller: number;
  proxied: number;
}

function propertiesOf({ directory, clients, direct, sasl, controller, proxied }: Ports): string {
  const { username, password } = KAFKA_LOGIN;
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}"`;
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@${loopback(controller)}`,
    `listeners=CLIENTS://${loopback(clients)},DIRECT://${loopback(direct)},LOGIN://${loopback(sasl)},CONTROLLER://${loopback(controller)}`,
    `advertised.listeners=CLIENTS://${loopback(proxied)},DIRECT://${loopback(direct)},LOGIN://${loopback(sasl)}`,
    'listener.security.protocol.map=CLIENTS:PLAINTEXT,DIRECT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=DIRECT',
    'listener.name.login.sasl.enabled.mechanisms=PLAIN',
    `listener.name.login.plain.sasl.jaas.config=${login};`,
    `log.dirs=${path.join(directory, 'data')}`,
    `message.max.bytes=${KAFKA_MESSAGE_BYTES_MAX}`,
    // On, so that only the client's own word keeps a topic from being created.
    'auto.create.topics.enable=true',
    'num.partitions=1',
    'offsets.topic.num.partitions=1',
    'offsets.topic.replication.factor=1',
    'group.initial.rebalance.delay.ms=0',
    '',
  ].join('\n');
}
