import { Connection } from 'rabbitmq-client';
import { createAmqpTarget, type AmqpTargetConfig } from '../../src/bus/targets/amqp';
import type { Target } from '../../src/bus/targets/target';
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy';
import { contractRequest, targetContract, type Received, type TargetHarness } from '../contract/target';
import { waitFor } from '../support/wait';
import {
  BROKER_SITUATIONS,
  POISON,
  arrangeProxy,
  brokerDeps,
  receivedFrom,
  receivedOf,
  sendThroughCrash,
  withoutRepeats,
} from './broker-harness';
import { startRabbitmq, type RabbitmqServer } from './servers/rabbitmq';
import { loopback } from './servers/restartable';
import { describeWith } from './servers/server';

const TIMEOUT_MS = 2_000;

interface Read extends Received {
  messageId: string | undefined;
  deliveryMode: number | undefined;
}

describeWith('rabbitmq', 'an amqp target against RabbitMQ', () => {
  let server: RabbitmqServer;
  let proxy: FaultProxy;
  let queues = 0;
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startRabbitmq(process.env);
    proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port });
  });
  afterEach(async () => {
    await proxy.heal();
    for (const close of closers.splice(0)) await close();
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  /** Around the proxy. */
  function look(): Connection {
    const connection = new Connection({ url: `amqp://guest:guest@${loopback(server.port)}`, retryLow: 100 });
    connection.on('error', () => undefined);
    closers.push(() => Promise.resolve(connection.unsafeDestroy()));
    return connection;
  }

  async function newQueue(properties: Record<string, unknown> = {}): Promise<string> {
    const queue = `orders-${(queues += 1)}`;
    await look().queueDeclare({ queue, durable: true, arguments: properties });
    return queue;
  }

  function openTarget(config: Partial<AmqpTargetConfig>, password = 'guest'): Target {
    const target = createAmqpTarget(
      { exchange: '', routingKey: 'nowhere', timeoutMs: TIMEOUT_MS, ...config },
      {
        ...brokerDeps({ amqp: `amqp://${loopback(proxy.port)}/` }),
        connection: { kind: 'basic', username: 'guest', password },
      },
    );
    closers.push(() => target.close());
    return target;
  }

  async function readQueue(queue: string): Promise<Read[]> {
    const received: Read[] = [];
    const channel = await look().acquire();
    await channel.basicConsume({ queue, noAck: true }, ({ body, headers, messageId, durable }) => {
      const texts = headers as Record<string, string>;
      // The driver has parsed what says that it is JSON; our texts are what JSON.stringify writes.
      const payload = JSON.stringify(body);
      received.push({ ...receivedFrom(payload, texts), messageId, deliveryMode: durable === true ? 2 : 1 });
    });
    return received;
  }

  async function openHarness(): Promise<TargetHarness> {
    const queue = await newQueue();
    const target = openTarget({ routingKey: queue });
    let received: Read[] | undefined;
    return {
      target,
      timeoutMs: TIMEOUT_MS,
      situations: BROKER_SITUATIONS,
      poison: POISON,
      arrange: (situation) => arrangeProxy(proxy, situation),
      received: async () => (received ??= await readQueue(queue)).map(withoutProperties),
      close: () => target.close(),
    };
  }

  targetContract('amqp', openHarness);

  it('publishes persistent events with their id, through an exchange', async () => {
    const queue = await newQueue();
    const connection = look();
    await connection.exchangeDeclare({ exchange: 'orders', type: 'topic', durable: true });
    await connection.queueBind({ exchange: 'orders', queue, routingKey: 'order.*' });

    const outcome = await openTarget({ exchange: 'orders', routingKey: 'order.confirmed' }).send(
      contractRequest(1),
    );
    const received = await readQueue(queue);
    await waitFor('the event arrives', () => received.length === 1);

    expect(outcome.kind).toBe('delivered');
    const { event } = contractRequest(1);
    expect(received).toEqual([{ ...receivedOf(contractRequest(1)), messageId: event.id, deliveryMode: 2 }]);
  });

  it('gives up what no queue takes, and only that', async () => {
    const queue = await newQueue();
    const unroutable = openTarget({ routingKey: 'nowhere' });
    const routable = openTarget({ routingKey: queue });

    const outcomes = await Promise.all([
      ...[1, 2, 3].map((n) => unroutable.send(contractRequest(n))),
      ...[1, 2, 3].map((n) => routable.send(contractRequest(n))),
    ]);

    expect(outcomes.slice(0, 3)).toEqual(
      Array(3).fill(expect.objectContaining({ kind: 'dead', code: 'unroutable' })),
    );
    expect(outcomes.slice(3).map(({ kind }) => kind)).toEqual(Array(3).fill('delivered'));
  });

  it('gives up when the exchange does not exist', async () => {
    const target = openTarget({ exchange: 'nowhere' });

    expect(await target.send(contractRequest(1))).toMatchObject({ kind: 'dead', code: 'unknown_exchange' });
    expect(await target.send(contractRequest(2))).toMatchObject({ kind: 'dead', code: 'unknown_exchange' });
  });

  it('tries again later what the broker does not take responsibility for', async () => {
    const queue = await newQueue({ 'x-max-length': 1, 'x-overflow': 'reject-publish' });
    const target = openTarget({ routingKey: queue });

    expect(await target.send(contractRequest(1))).toMatchObject({ kind: 'delivered' });
    expect(await target.send(contractRequest(2))).toMatchObject({ kind: 'retry', code: 'nacked' });
  });

  it('condemns none of the others for one event that is too large', async () => {
    const queue = await newQueue();
    const target = openTarget({ routingKey: queue });
    const requests = [1, 2, 3, 4, 5, 6, 7, 8].map(contractRequest);

    const sending = requests.map((request) => target.send(request));
    const poison = target.send(POISON);
    const outcomes = await Promise.all(sending);

    expect(outcomes.map(({ kind }) => kind)).not.toContain('dead');
    expect(['dead', 'retry']).toContain((await poison).kind);
    expect(await target.send(POISON)).toMatchObject({ kind: 'dead', code: 'message_too_large' });
  });

  it('gives up when the broker does not know the credentials', async () => {
    const outcome = await openTarget({}, 'wrong').send(contractRequest(1));

    expect(outcome).toMatchObject({ kind: 'dead', code: 'access_denied' });
  });

  it('loses nothing that was acknowledged when the broker is killed and started again', async () => {
    const queue = await newQueue();
    const target = openTarget({ routingKey: queue });

    const { acknowledged, failures } = await sendThroughCrash(target, server);
    const received = await readQueue(queue);
    await waitFor('the last event arrives', () =>
      received.some(({ deliveryId }) => deliveryId === acknowledged.at(-1)?.deliveryId),
    );

    expect(failures.filter((failure) => failure.startsWith('dead'))).toEqual([]);
    expect(withoutRepeats(received.map(withoutProperties))).toEqual(acknowledged.map(receivedOf));
    const sent = acknowledged.map(receivedOf);
    for (const copy of received.map(withoutProperties)) expect(sent).toContainEqual(copy);
  });
});

function withoutProperties({ id, deliveryId, payload, orderingKey, replayId }: Read): Received {
  return { id, deliveryId, payload, orderingKey, replayId };
}
