import { SimpleConsumer, type MessageView } from 'rocketmq-client-nodejs';
import type { RocketmqServer } from './rocketmq';

/** Reads a topic all the time, and keeps what came. */
export interface TopicReader {
  /** In the order in which it came. */
  messages: readonly MessageView[];
  stop(): Promise<void>;
}

const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };
/** How long a call waits for messages; with less the broker's proxy refuses it, by its grpcClientConsumerMinLongPolling. */
const AWAIT_MS = 5_000;
/** Between two calls while the broker is away, which then fail at once. */
const PAUSE_MS = 100;
/** Longer than any test: what was read does not come back in the middle of one. */
const INVISIBLE_MS = 120_000;
const MESSAGES_MAX = 32;

/** @param topic - one that exists */
export async function startTopicReader(server: RocketmqServer, topic: string): Promise<TopicReader> {
  const consumer = new SimpleConsumer({
    endpoints: server.address,
    namespace: '',
    consumerGroup: `${topic}-reader`,
    subscriptions: new Map([[topic, '*']]),
    awaitDuration: AWAIT_MS,
    logger: SILENT,
  });
  await consumer.startup();
  const messages: MessageView[] = [];
  let isStopped = false;
  const reading = (async () => {
    while (!isStopped) {
      // While the broker is away there is nothing to read.
      const received = await consumer.receive(MESSAGES_MAX, INVISIBLE_MS).catch(() => null);
      if (received === null) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      for (const message of received ?? []) {
        messages.push(message);
        await consumer.ack(message).catch(() => undefined);
      }
    }
  })();
  return {
    messages,
    async stop() {
      isStopped = true;
      await reading;
      await consumer.shutdown().catch(() => undefined);
    },
  };
}

function nothing(): void {
  // Nobody reads the driver's log in a test.
}
