import type { MessageView } from 'rocketmq-client-nodejs';
import { createRocketmqTarget, type RocketmqTargetConfig } from '../../src/bus/targets/rocketmq';
import type { Target } from '../../src/bus/targets/target';
import { contractRequest, targetContract, type Received, type TargetHarness } from '../contract/target';
import { waitFor } from '../support/wait';
import {
  BROKER_SITUATIONS,
  POISON,
  arrangeProxy,
  brokerDeps,
  numberedRequest,
  receivedFrom,
  receivedOf,
  sendThroughCrash,
  withoutRepeats,
} from './broker-harness';
import { loopback } from './servers/restartable';
import { startRocketmq, type RocketmqServer } from './servers/rocketmq';
import { startTopicReader, type TopicReader } from './servers/rocketmq-reader';
import { describeWith } from './servers/server';

/** The driver's own timeout is 1 s at least, and gRPC waits for about 1 s before it connects again. */
const TIMEOUT_MS = 3_000;

describeWith('rocketmq', 'a rocketmq target against Apache RocketMQ', () => {
  let server: RocketmqServer;
  let normal: TopicReader;
  let fifo: TopicReader;
  let tags = 0;
  const targets: Target[] = [];
  beforeAll(async () => {
    server = await startRocketmq({ env: process.env });
    await server.createTopic('orders', 'NORMAL');
    await server.createTopic('orders-fifo', 'FIFO');
    normal = await startTopicReader(server, 'orders');
    fifo = await startTopicReader(server, 'orders-fifo');
  });
  afterEach(async () => {
    await server.proxy.heal();
    for (const target of targets.splice(0)) await target.close();
  });
  afterAll(async () => {
    await normal?.stop();
    await fifo?.stop();
    await server?.stop();
  });

  function openTarget(config: Partial<RocketmqTargetConfig> = {}): Target {
    const target = createRocketmqTarget(
      { topic: 'orders', timeoutMs: TIMEOUT_MS, fifo: false, ...config },
      brokerDeps({ rocketmq: loopback(server.proxy.port) }),
    );
    targets.push(target);
    return target;
  }

  /** A topic takes seconds to create, so the tests share two, and each has a tag of its own. */
  function newTag(): string {
    return `tag-${(tags += 1)}`;
  }

  function openHarness(fifoTopic: boolean): Promise<TargetHarness> {
    const tag = newTag();
    const topic = fifoTopic ? 'orders-fifo' : 'orders';
    const target = openTarget({ topic, tag, fifo: fifoTopic });
    const reader = fifoTopic ? fifo : normal;
    return Promise.resolve({
      target,
      timeoutMs: TIMEOUT_MS,
      situations: BROKER_SITUATIONS,
      poison: POISON,
      // The text of the status; frames of HTTP/2's own bookkeeping come before it.
      arrange: (situation) => arrangeProxy(server.proxy, situation, (bytes) => bytes.includes('OK')),
      received: () => Promise.resolve(receivedWith(reader, tag)),
      close: () => target.close(),
    });
  }

  targetContract('rocketmq', () => openHarness(false));
  targetContract('rocketmq, fifo', () => openHarness(true));

  it('carries the event id as the key and what it is in properties', async () => {
    const tag = newTag();
    const request = { ...contractRequest(1), replayId: 'rpl_1' };

    expect(await openTarget({ tag }).send(request)).toMatchObject({ kind: 'delivered' });
    await waitFor('the event arrives', () => withTag(normal, tag).length === 1);

    const [message] = withTag(normal, tag);
    expect(message?.keys).toEqual([request.event.id]);
    expect(Object.fromEntries(message?.properties ?? [])).toMatchObject({
      'event-id': request.event.id,
      'event-type': 'order.confirmed',
      'event-source': 'ecommerce.orders',
      'delivery-id': request.deliveryId,
      'rule-name': 'order-confirmed',
      'replay-id': 'rpl_1',
    });
  });

  it('groups by the ordering key in a topic of type FIFO, and keeps the order of each', async () => {
    const tag = newTag();
    const target = openTarget({ topic: 'orders-fifo', tag, fifo: true });
    const requests = Array.from({ length: 30 }, (_, n) => ({
      ...numberedRequest(n),
      orderingKey: `ord_${n % 3}`,
    }));
    for (const request of requests) {
      expect(await target.send(request)).toMatchObject({ kind: 'delivered' });
    }

    await waitFor('all arrive', () => withTag(fifo, tag).length >= requests.length);

    const received = withTag(fifo, tag);
    for (const key of ['ord_0', 'ord_1', 'ord_2']) {
      const ofGroup = received.filter(({ messageGroup }) => messageGroup === key).map(receivedOfMessage);
      expect(ofGroup).toEqual(requests.filter(({ orderingKey }) => orderingKey === key).map(receivedOf));
    }
  });

  it('gives up when the topic is not of the type that the settings ask for', async () => {
    const outcome = await openTarget({ topic: 'orders', fifo: true }).send(contractRequest(1));

    expect(outcome).toMatchObject({ kind: 'dead', code: 'message_type_refused' });
  });

  it('gives up what is larger than the broker or its proxy takes, and delivers the next', async () => {
    const target = openTarget({ tag: newTag() });
    const larger = { ...contractRequest(1), payload: 'x'.repeat(5 * 1_024 * 1_024) };

    for (const poison of [POISON, larger]) {
      expect(await target.send(poison)).toMatchObject({ kind: 'dead', code: 'message_too_large' });
    }
    expect(await target.send(contractRequest(2))).toMatchObject({ kind: 'delivered' });
  });

  it('tries again later when the topic is not known', async () => {
    const outcome = await openTarget({ topic: 'nowhere' }).send(contractRequest(1));

    expect(outcome).toMatchObject({ kind: 'retry', code: 'unknown_topic' });
  });

  it('loses nothing that was acknowledged when the broker is killed and started again', async () => {
    const tag = newTag();
    const target = openTarget({ tag });

    const { acknowledged, failures } = await sendThroughCrash(target, server);
    await waitFor('the last event arrives', () =>
      receivedWith(normal, tag).some(({ deliveryId }) => deliveryId === acknowledged.at(-1)?.deliveryId),
    );

    expect(failures.filter((failure) => failure.startsWith('dead'))).toEqual([]);
    const received = receivedWith(normal, tag);
    const byDelivery = (a: Received, b: Received): number => a.deliveryId.localeCompare(b.deliveryId);
    // A topic of type NORMAL promises no order to a reader over a restart.
    expect(withoutRepeats(received).sort(byDelivery)).toEqual(acknowledged.map(receivedOf));
  });
});

function withTag(reader: TopicReader, tag: string): MessageView[] {
  return reader.messages.filter((message) => message.tag === tag);
}

function receivedWith(reader: TopicReader, tag: string): Received[] {
  return withTag(reader, tag).map(receivedOfMessage);
}

function receivedOfMessage({ body, properties }: MessageView): Received {
  return receivedFrom(body.toString(), Object.fromEntries(properties));
}
