import type { IHeaders } from 'kafkajs';
import { createKafkaTarget, type KafkaTargetConfig } from '../../src/bus/targets/kafka';
import type { Target } from '../../src/bus/targets/target';
import { targetContract, contractRequest, type Received, type TargetHarness } from '../contract/target';
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
import { KAFKA_LOGIN, startKafka, type KafkaServer } from './servers/kafka';
import { loopback } from './servers/restartable';
import { describeWith } from './servers/server';

const TIMEOUT_MS = 2_000;

describeWith('kafka', 'a kafka target against Apache Kafka', () => {
  let server: KafkaServer;
  let topics = 0;
  let closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startKafka(process.env);
    await server.admin.connect();
  });
  afterEach(async () => {
    await server.proxy.heal();
    for (const close of closers.splice(0)) await close();
    closers = [];
  });
  afterAll(() => server?.stop());

  async function newTopic(numPartitions = 1): Promise<string> {
    const topic = `orders-${(topics += 1)}`;
    await server.admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
    return topic;
  }

  function openTarget(topic: string, changes: Partial<KafkaTargetConfig> = {}): Target {
    const config: KafkaTargetConfig = {
      topic,
      timeoutMs: TIMEOUT_MS,
      saslMechanism: 'plain',
      tls: false,
      batch: { maximumEvents: 1 },
      ...changes,
    };
    const target = createKafkaTarget(config, brokerDeps({ kafka: [loopback(server.proxy.port)] }));
    closers.push(() => target.close());
    return target;
  }

  /** Reads the topic from its begin on, around the proxy. */
  async function readTopic(topic: string): Promise<Received[]> {
    const received: Received[] = [];
    const consumer = server.direct.consumer({ groupId: `${topic}-reader`, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        const { orderingKey, ...rest } = receivedFrom(
          message.value?.toString() ?? '',
          texts(message.headers),
        );
        expect(message.key?.toString()).toBe(orderingKey);
        received.push({ ...rest, orderingKey });
        return Promise.resolve();
      },
    });
    closers.push(() => consumer.disconnect());
    return received;
  }

  async function openHarness(): Promise<TargetHarness> {
    const topic = await newTopic();
    const target = openTarget(topic);
    let received: Received[] | undefined;
    return {
      target,
      timeoutMs: TIMEOUT_MS,
      situations: BROKER_SITUATIONS,
      poison: POISON,
      arrange: (situation) => arrangeProxy(server.proxy, situation),
      received: async () => [...(received ??= await readTopic(topic))],
      close: () => target.close(),
    };
  }

  targetContract('kafka', openHarness);

  it('carries what the event is and who asked for it in headers', async () => {
    const topic = await newTopic();
    await openTarget(topic).send({ ...contractRequest(1), replayId: 'rpl_1' });

    const headers: object[] = [];
    const consumer = server.direct.consumer({ groupId: `${topic}-headers`, maxWaitTimeInMs: 100 });
    closers.push(() => consumer.disconnect());
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => Promise.resolve(void headers.push(texts(message.headers))),
    });
    await waitFor('the event arrives', () => headers.length === 1);

    expect(headers).toEqual([
      {
        'event-id': contractRequest(1).event.id,
        'event-type': 'order.confirmed',
        'event-source': 'ecommerce.orders',
        'delivery-id': contractRequest(1).deliveryId,
        'rule-name': 'order-confirmed',
        'ordering-key': 'ord_1',
        'replay-id': 'rpl_1',
      },
    ]);
  });

  it('gives a topic that does not exist up, and does not create it', async () => {
    const target = openTarget('nowhere');

    expect(await target.send(contractRequest(1))).toMatchObject({ kind: 'dead', code: 'unknown_topic' });
    expect(await target.send(contractRequest(2))).toMatchObject({ kind: 'dead', code: 'unknown_topic' });
    expect(await server.admin.listTopics()).not.toContain('nowhere');
  });

  it('keeps the order of each key over several partitions', async () => {
    const topic = await newTopic(4);
    const target = openTarget(topic, { batch: { maximumEvents: 500 } });
    const requests = Array.from({ length: 400 }, (_, n) => ({
      ...numberedRequest(n),
      orderingKey: `ord_${n % 20}`,
    }));

    const outcomes = await target.batch?.send(requests);
    const received = await readTopic(topic);
    await waitFor('all events arrive', () => received.length >= requests.length);

    expect(outcomes?.every(({ kind }) => kind === 'delivered')).toBe(true);
    for (let key = 0; key < 20; key += 1) {
      const ofKey = (orderingKey: string | null): boolean => orderingKey === `ord_${key}`;
      expect(received.filter((one) => ofKey(one.orderingKey))).toEqual(
        requests.filter((one) => ofKey(one.orderingKey)).map(receivedOf),
      );
    }
  });

  it('gives up the one event of a batch that is too large, and delivers the others once and in order', async () => {
    const topic = await newTopic();
    const target = openTarget(topic, { batch: { maximumEvents: 10 } });
    const requests = [1, 2, 3, 4, 5, 6, 7, 8].map(contractRequest);
    requests.splice(5, 0, POISON);

    const outcomes = await target.batch?.send(requests);
    const received = await readTopic(topic);
    await waitFor('the others arrive', () => received.length >= 8);

    expect(outcomes?.map(({ kind }) => kind)).toEqual(
      requests.map((request) => (request === POISON ? 'dead' : 'delivered')),
    );
    expect(received).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map(contractRequest).map(receivedOf));
  });

  it('delivers a batch of small events that is too large as a whole', async () => {
    const topic = await newTopic();
    const target = openTarget(topic, { batch: { maximumEvents: 10 } });
    const requests = [1, 2, 3, 4].map((n) => ({ ...contractRequest(n), payload: `${n}`.repeat(30_000) }));

    const outcomes = await target.batch?.send(requests);
    const received = await readTopic(topic);
    await waitFor('all arrive', () => received.length >= 4);

    expect(outcomes?.map(({ kind }) => kind)).toEqual(requests.map(() => 'delivered'));
    expect(received).toEqual(requests.map(receivedOf));
  });

  it('gives every event of a batch whose answer is lost another try, and none of an empty one', async () => {
    const topic = await newTopic();
    const target = openTarget(topic, { batch: { maximumEvents: 10 } });
    const requests = [1, 2, 3].map(contractRequest);
    await arrangeProxy(server.proxy, 'accepts-then-cuts');

    const lost = await target.batch?.send(requests);
    const again = await target.batch?.send(requests);
    const received = await readTopic(topic);
    await waitFor('both copies arrive', () => received.length >= 6);

    expect(lost?.map(({ kind }) => kind)).toEqual(['retry', 'retry', 'retry']);
    expect(again?.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
    expect(received).toEqual([...requests, ...requests].map(receivedOf));
    expect(await target.batch?.send([])).toEqual([]);
  });

  it('logs in, and gives up when the broker does not know the credentials', async () => {
    const topic = await newTopic();
    const config = { topic, timeoutMs: TIMEOUT_MS, saslMechanism: 'plain', tls: false } as const;
    const open = (password: string): Target => {
      const target = createKafkaTarget(
        { ...config, batch: { maximumEvents: 1 } },
        {
          ...brokerDeps({ kafka: [server.saslAddress] }),
          connection: { kind: 'basic', ...KAFKA_LOGIN, password },
        },
      );
      closers.push(() => target.close());
      return target;
    };

    expect(await open(KAFKA_LOGIN.password).send(contractRequest(1))).toMatchObject({ kind: 'delivered' });
    expect(await open('wrong').send(contractRequest(1))).toMatchObject({
      kind: 'dead',
      code: 'access_denied',
    });
  });

  it('loses nothing that was acknowledged when the broker is killed and started again', async () => {
    const topic = await newTopic();
    const target = openTarget(topic);

    const { acknowledged, failures } = await sendThroughCrash(target, server);
    const received = await readTopic(topic);
    await waitFor('the last event arrives', () =>
      received.some(({ deliveryId }) => deliveryId === acknowledged.at(-1)?.deliveryId),
    );

    expect(failures.filter((failure) => failure.startsWith('dead'))).toEqual([]);
    expect(withoutRepeats(received)).toEqual(acknowledged.map(receivedOf));
    const sent = acknowledged.map(receivedOf);
    for (const copy of received) expect(sent).toContainEqual(copy);
  });
});

function texts(headers: IHeaders | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]));
}
