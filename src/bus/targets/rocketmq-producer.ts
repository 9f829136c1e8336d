import { Duplex } from 'node:stream';
import type * as RocketmqDriver from 'rocketmq-client-nodejs';
import type { BrokerClient } from './broker-sessions';
import type { ConnectionSecret } from './connection';

/** The driver takes no shorter timeout; a shorter one of the target is kept around it. Milliseconds. */
const REQUEST_TIMEOUT_MS_MIN = 1_000;

const SILENT = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export interface RocketmqProducer extends BrokerClient {
  send(message: RocketmqDriver.MessageOptions): Promise<void>;
}

/**
 * A producer of the driver that neither repeats a send by itself nor outlives its `close`. Release 1.0.8, left alone, does
 * both: its stream of settings is opened again a second after it broke, also when the producer has ended by then, and a
 * stream that breaks after it was released raises an error that nobody hears, which ends the process.
 */
export function openRocketmqProducer(
  driver: typeof RocketmqDriver,
  options: { endpoints: string; timeoutMs: number; connection: ConnectionSecret | null },
): RocketmqProducer {
  const { endpoints, timeoutMs, connection } = options;
  const producer = new driver.Producer({
    endpoints,
    namespace: '',
    // Named topics would be looked up in `startup`, with the driver's own repeats and waits.
    topics: [],
    maxAttempts: 1,
    requestTimeout: Math.max(timeoutMs, REQUEST_TIMEOUT_MS_MIN),
    logger: SILENT,
    ...credentialsOf(connection),
  });
  waitForConnection(producer);
  const streams = guardStreams(producer);
  const started = producer.startup();
  return {
    send: async (message) => {
      await started;
      await producer.send(message);
    },
    close: async () => {
      streams.close();
      // It tells the broker, which may be away; what it would free after that is freed here.
      await producer.shutdown().catch(() => undefined);
      producer.getRpcClientManager().close();
    },
  };
}

function credentialsOf(
  connection: ConnectionSecret | null,
): Pick<RocketmqDriver.ProducerOptions, 'sessionCredentials'> {
  if (connection?.kind !== 'basic') return {};
  return { sessionCredentials: { accessKey: connection.username, accessSecret: connection.password } };
}

/**
 * gRPC fails calls at once while it waits to connect again, and shares that wait, which doubles up to two minutes, with
 * every later channel to the same address. A call that waits for the connection goes out as soon as there is one.
 */
function waitForConnection(producer: RocketmqDriver.Producer): void {
  const metadataOf = producer.getRequestMetadata.bind(producer);
  producer.getRequestMetadata = () => {
    const metadata = metadataOf();
    metadata.setOptions({ waitForReady: true });
    return metadata;
  };
}

type TelemetryStream = ReturnType<RocketmqDriver.Producer['createTelemetryStream']>;

/** Takes everything and says nothing: for the stream that the driver still opens after its end. */
function silentStream(): TelemetryStream {
  const nothing = new Duplex({
    objectMode: true,
    read: () => undefined,
    write: (_command, _encoding, done) => done(),
  });
  return nothing as unknown as TelemetryStream;
}

function guardStreams(producer: RocketmqDriver.Producer): { close(): void } {
  const streams = new Set<TelemetryStream>();
  let isClosed = false;
  const open = producer.createTelemetryStream.bind(producer);
  producer.createTelemetryStream = (endpoints) => {
    if (isClosed) return silentStream();
    const stream = open(endpoints);
    const removeAll = stream.removeAllListeners.bind(stream);
    stream.removeAllListeners = (event) => {
      // With an argument, also an undefined one, Node removes the listeners of that event only.
      if (event === undefined) removeAll();
      else removeAll(event);
      return stream.on('error', () => undefined);
    };
    streams.add(stream);
    stream.on('close', () => streams.delete(stream));
    return stream;
  };
  return {
    close: () => {
      isClosed = true;
      for (const stream of streams) {
        stream.removeAllListeners();
        stream.cancel();
      }
    },
  };
}
