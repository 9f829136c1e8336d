import type { Target, TargetRequest } from '../../src/bus/targets/target';
import { contractRequest } from '../contract/target';
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy';
import { attributesOf, openAwsTarget, Queue, REGION } from './aws-clients';
import { startElasticMq, type ElasticMq } from './servers/elasticmq';
import { startMoto, type Moto } from './servers/moto';
import { describeWith } from './servers/server';

const REQUESTS = [1, 2, 3, 4, 5].map(contractRequest);

function bodiesOf(requests: readonly TargetRequest[]): string[] {
  return requests.map(({ payload }) => payload);
}

describeWith('moto', 'a standard queue of moto', () => {
  let moto: Moto;
  let queue: Queue;
  let target: Target;
  beforeAll(async () => {
    moto = await startMoto(process.env);
    queue = await Queue.create(moto.url, 'orders');
    target = openAwsTarget('sqs', { queueUrl: queue.url, region: REGION, batch: { maximumEvents: 10 } });
  });
  afterAll(async () => {
    await target?.close();
    queue?.close();
    await moto?.stop();
  });

  it('gets each event once, as it is, with what a receiver needs beside it', async () => {
    const replayed = { ...contractRequest(6), replayId: '0198c5d2-0000-7000-8000-000000000201' };
    const outcomes = await target.batch!.send([...REQUESTS, replayed]);

    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => 'delivered'));
    const messages = await queue.messages(6);
    const sixth = messages.find(({ Body }) => Body === replayed.payload)!;
    expect(messages.map(({ Body }) => Body).sort()).toEqual(bodiesOf([...REQUESTS, replayed]).sort());
    expect(attributesOf(sixth)).toEqual({
      'event-id': replayed.event.id,
      'delivery-id': replayed.deliveryId,
      'event-type': 'order.confirmed',
      'event-source': 'ecommerce.orders',
      'rule-name': 'order-confirmed',
      'ordering-key': 'ord_1',
      'replay-id': replayed.replayId,
    });
  });

  it('that does not exist makes dead letters', async () => {
    const absent = openAwsTarget('sqs', { queueUrl: `${moto.url}/123456789012/absent`, region: REGION });

    expect(await absent.send(contractRequest(1))).toMatchObject({ kind: 'dead', code: 'unknown_queue' });
    await absent.close();
  });

  it('refuses a message that is too large, and takes its neighbours once', async () => {
    const large = { ...contractRequest(7), payload: JSON.stringify({ text: 'x'.repeat(2_000_000) }) };
    const others = [contractRequest(8), contractRequest(9)] as const;

    const outcomes = await target.batch!.send([others[0], large, others[1]]);

    expect(outcomes).toMatchObject([
      { kind: 'delivered' },
      { kind: 'dead', code: 'message_too_large' },
      { kind: 'delivered' },
    ]);
    const bodies = (await queue.messages(8)).slice(6).map(({ Body }) => Body);
    expect(bodies.sort()).toEqual(bodiesOf(others).sort());
    expect(await queue.length()).toBe(0);
  });
});

describeWith('elasticmq', 'a FIFO queue of ElasticMQ', () => {
  let server: ElasticMq;
  let proxy: FaultProxy;
  let queue: Queue;
  let target: Target;
  let count = 0;
  beforeAll(async () => {
    server = await startElasticMq(process.env);
    proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
  });
  beforeEach(async () => {
    queue = await Queue.create(server.url, `orders-${(count += 1)}.fifo`);
    const viaProxy = queue.url.replace(server.url, `http://127.0.0.1:${proxy.port}`);
    const settings = { region: REGION, timeoutMs: 2_000, batch: { maximumEvents: 10 } };
    target = openAwsTarget('sqs', { queueUrl: viaProxy, ...settings });
  });
  afterEach(async () => {
    await target.close();
    queue.close();
    await proxy.heal();
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  it('keeps the order of one key, in calls and within a call', async () => {
    for (const request of REQUESTS.slice(0, 2)) expect((await target.send(request)).kind).toBe('delivered');
    const outcomes = await target.batch!.send(REQUESTS.slice(2));

    expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
    const messages = await queue.messages(5);
    expect(messages.map(({ Body }) => Body)).toEqual(bodiesOf(REQUESTS));
    expect(messages.map(({ Attributes }) => Attributes?.MessageGroupId)).toEqual(REQUESTS.map(() => 'ord_1'));
  });

  it('drops the repeat of a delivery whose answer was lost', async () => {
    const [request] = REQUESTS as [TargetRequest];
    // The answer is cut as it comes back: the queue has the message and we do not know.
    proxy.onBytes = (direction) => {
      if (direction === 'down') proxy.cut();
    };
    const first = await target.send(request);
    expect(await queue.length()).toBe(1);
    await proxy.heal();

    const second = await target.send(request);

    expect([first, second]).toMatchObject([
      { kind: 'retry', code: 'connection_reset' },
      { kind: 'delivered' },
    ]);
    expect(await queue.length()).toBe(1);
  });

  it('takes what a replay or another rule sends of the same event', async () => {
    const [request] = REQUESTS as [TargetRequest];
    const replayed = {
      ...request,
      deliveryId: contractRequest(8).deliveryId,
      replayId: contractRequest(9).event.id,
    };
    const ofAnotherRule = { ...request, deliveryId: contractRequest(7).deliveryId, ruleName: 'all-orders' };

    for (const one of [request, replayed, ofAnotherRule]) await target.send(one);

    const messages = await queue.messages(3);
    expect(messages.map((message) => attributesOf(message)['delivery-id'])).toEqual(
      [request, replayed, ofAnotherRule].map(({ deliveryId }) => deliveryId),
    );
  });

  it('has what failed of a batch repeated alone, and nothing twice', async () => {
    // ElasticMQ refuses this one for a character that no message may hold.
    const poison = { ...contractRequest(3), payload: 'text\u0000' };
    const requests = [REQUESTS[0]!, REQUESTS[1]!, poison, REQUESTS[3]!];

    const outcomes = await target.batch!.send(requests);
    const [repeated] = await target.batch!.send([REQUESTS[2]!]);

    expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'dead', 'delivered']);
    expect(repeated?.kind).toBe('delivered');
    const bodies = (await queue.messages(4)).map(({ Body }) => Body);
    expect(bodies).toEqual(bodiesOf([REQUESTS[0]!, REQUESTS[1]!, REQUESTS[3]!, REQUESTS[2]!]));
    expect(await queue.length()).toBe(0);
  });

  it('is waited for no longer than the timeout, and takes events again when it is back', async () => {
    proxy.freeze('down');
    const hanging = await target.send(REQUESTS[0]!);
    proxy.cut();
    await proxy.refuse();
    const refused = await target.send(REQUESTS[0]!);
    await proxy.heal();
    const delivered = await target.send(REQUESTS[0]!);

    expect([hanging, refused, delivered]).toMatchObject([
      { kind: 'retry', code: 'timeout' },
      { kind: 'retry', code: 'connection_refused' },
      { kind: 'delivered' },
    ]);
    expect(await queue.messages(1)).toHaveLength(1);
  });
});
