import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { findOnPath, runCommand } from '../../../src/dev/commands';
import { findFreePort } from '../../../src/dev/ports';
import { startFaultProxy, type FaultProxy } from '../../chaos/fault-proxy';
import { mavenJars } from './maven';
import { loopback, startRestartable, type RestartableServer } from './restartable';
import { serverDirectory } from './server';

export const ROCKETMQ_VERSION = '5.5.0';
/** Small, so that a test for an event that is too large needs none of 4 MB. Bytes. */
const MESSAGE_BYTES_MAX = 65_536;
const TOPIC_MS_MAX = 60_000;

export type TopicType = 'NORMAL' | 'FIFO' | 'TRANSACTION';

/** A name server, a broker and a gRPC proxy, each in a process of its own, and a fault proxy that clients may go through. */
export interface RocketmqServer extends RestartableServer {
  proxy: FaultProxy;
  /** Of the gRPC proxy, around the fault proxy. */
  address: string;
  createTopic(topic: string, type: TopicType): Promise<void>;
}

export interface RocketmqOptions {
  env: NodeJS.ProcessEnv;
  /** Lines of the broker's own settings, `name=value`. */
  brokerSettings?: readonly string[];
}

/** Without these the broker ends while it starts on Java 17. */
const JAVA_OPENS = [
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
];

/** Fetches RocketMQ with Maven when it is not in the cache, and starts it. */
export async function startRocketmq({ env, brokerSettings = [] }: RocketmqOptions): Promise<RocketmqServer> {
  const version = ROCKETMQ_VERSION;
  const classPath = await mavenJars(
    'rocketmq',
    [`org.apache.rocketmq:rocketmq-proxy:${version}`, `org.apache.rocketmq:rocketmq-namesrv:${version}`],
    { env, estimateMs: 60_000 },
  );
  const java = (await findOnPath('java', env)) ?? 'java';
  const ports = await freePorts();
  const names = loopback(ports.names);
  const started: RestartableServer[] = [];
  const run = async (options: Process): Promise<RestartableServer> => {
    try {
      const server = await startJava({ ...options, java, classPath, env });
      started.unshift(server);
      return server;
    } catch (error) {
      for (const server of started) await server.stop();
      throw error;
    }
  };
  await run({
    name: 'rocketmq-names',
    port: ports.names,
    heap: '128m',
    argsIn: async (directory) => {
      const file = path.join(directory, 'namesrv.conf');
      await writeFile(file, `listenPort=${ports.names}\nbindAddress=127.0.0.1\n`);
      return ['org.apache.rocketmq.namesrv.NamesrvStartup', '-c', file];
    },
  });
  const server = await run({
    name: 'rocketmq-broker',
    port: ports.broker,
    heap: '512m',
    // It listens before the name server knows of it, and until then the gRPC proxy cannot start.
    ready: 'boot success',
    argsIn: async (directory) => {
      const file = path.join(directory, 'broker.conf');
      await writeFile(file, brokerConfiguration({ directory, ports, brokerSettings }));
      return ['org.apache.rocketmq.broker.BrokerStartup', '-c', file, '-n', names];
    },
  });
  await run({
    name: 'rocketmq-proxy',
    port: ports.grpc,
    heap: '384m',
    argsIn: async (directory) => {
      const file = path.join(directory, 'rmq-proxy.json');
      await writeFile(file, JSON.stringify(proxyConfiguration(ports)));
      return ['org.apache.rocketmq.proxy.ProxyStartup', '-pm', 'CLUSTER', '-pc', file, '-n', names];
    },
  });
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: ports.grpc });
  const home = await serverDirectory('rocketmq-admin');
  return {
    ...server,
    proxy,
    address: loopback(ports.grpc),
    createTopic: async (topic, type) => {
      const command = ['org.apache.rocketmq.tools.command.MQAdminStartup', 'updateTopic', '-n', names];
      const what = [
        '-b',
        loopback(ports.broker),
        '-t',
        topic,
        '-r',
        '1',
        '-w',
        '1',
        '-a',
        `+message.type=${type}`,
      ];
      const result = await runCommand({
        command: java,
        args: ['-Xmx128m', `-Duser.home=${home}`, '-cp', classPath, ...command, ...what],
        env: { ...env, ROCKETMQ_HOME: home },
        timeoutMs: TOPIC_MS_MAX,
      });
      if (!result.succeeded || !result.output.includes('success')) {
        throw new Error(`The topic ${topic} could not be created: ${result.failure} ${result.output}`);
      }
    },
    async stop() {
      await proxy.close();
      for (const each of started) await each.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

interface Ports {
  names: number;
  grpc: number;
  remoting: number;
  broker: number;
}

async function freePorts(): Promise<Ports> {
  const taken = new Set<number>();
  const next = async (name: string): Promise<number> => {
    const port = await findFreePort({ name: `RocketMQ, ${name}`, preferred: 0, taken });
    taken.add(port);
    // The broker takes the two ports beside its own, too.
    for (const beside of [port - 2, port + 1]) taken.add(beside);
    return port;
  };
  return {
    broker: await next('broker'),
    names: await next('names'),
    grpc: await next('gRPC'),
    remoting: await next('remoting'),
  };
}

interface Process {
  name: string;
  /** Listened on once it answers. */
  port: number;
  heap: string;
  /** What its log says once it can be used. Default: that it listens is enough. */
  ready?: string;
  /** Writes the settings into the directory; returns the main class and its arguments. */
  argsIn: (directory: string) => Promise<string[]>;
}

function startJava(
  options: Process & { java: string; classPath: string; env: NodeJS.ProcessEnv },
): Promise<RestartableServer> {
  const { name, port, heap, ready = '', argsIn, java, classPath, env } = options;
  return startRestartable(name, async (directory) => {
    await mkdir(path.join(directory, 'conf'));
    const machine = [...JAVA_OPENS, '-XX:+UseSerialGC', `-Xmx${heap}`, `-Duser.home=${directory}`];
    return {
      command: java,
      args: [...machine, '-cp', classPath, ...(await argsIn(directory))],
      env: { ...env, ROCKETMQ_HOME: directory },
      answers: async () => {
        const log = await readFile(path.join(directory, 'log'), 'utf8');
        return log.includes(ready) && (await hasListener(port));
      },
    };
  });
}

function brokerConfiguration(options: {
  directory: string;
  ports: Ports;
  brokerSettings: readonly string[];
}): string {
  const { directory, ports, brokerSettings } = options;
  return [
    'brokerClusterName=DefaultCluster',
    'brokerName=broker-a',
    'brokerId=0',
    'brokerIP1=127.0.0.1',
    `listenPort=${ports.broker}`,
    `storePathRootDir=${path.join(directory, 'store')}`,
    // Messages that were received and not acknowledged come back by it.
    'timerWheelEnable=true',
    'mappedFileSizeCommitLog=16777216',
    // An acknowledgement must mean that it is on the disk.
    'flushDiskType=SYNC_FLUSH',
    `maxMessageSize=${MESSAGE_BYTES_MAX}`,
    'autoCreateTopicEnable=false',
    'autoCreateSubscriptionGroup=true',
    ...brokerSettings,
    '',
  ].join('\n');
}

function proxyConfiguration(ports: Ports): object {
  return {
    rocketMQClusterName: 'DefaultCluster',
    namesrvAddr: loopback(ports.names),
    grpcServerPort: ports.grpc,
    remotingListenPort: ports.remoting,
    // A client is told to come back the way it came: through the fault proxy, or around it.
    useEndpointPortFromRequest: true,
    // The broker asks back only producers that it knows of; the default is 20 s.
    transactionHeartbeatPeriodSecond: 1,
  };
}

function hasListener(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
