import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import type { Target } from '../../src/bus/targets/target';
import { contractRequest } from '../contract/target';
import { attributesOf, clientAt, openAwsTarget, Queue } from './aws-clients';
import { startMoto, type Moto } from './servers/moto';
import { describeWith } from './servers/server';

const REQUESTS = [1, 2, 3].map(contractRequest);

describeWith('moto', 'a topic of moto', () => {
  let moto: Moto;
  let client: SNSClient;
  const opened: { close(): unknown }[] = [];
  beforeAll(async () => {
    moto = await startMoto(process.env);
    process.env['AWS_ENDPOINT_URL'] = moto.url;
    client = new SNSClient(clientAt(moto.url));
  });
  afterEach(() => Promise.all(opened.splice(0).map((one) => one.close())));
  afterAll(async () => {
    delete process.env['AWS_ENDPOINT_URL'];
    client?.destroy();
    await moto?.stop();
  });

  /** A topic whose messages go to a queue as they are. */
  async function subscribed(suffix: '' | '.fifo'): Promise<{ target: Target; queue: Queue }> {
    const queue = await Queue.create(moto.url, `subscriber${suffix}`);
    const Attributes = suffix === '.fifo' ? { FifoTopic: 'true' } : {};
    const { TopicArn } = await client.send(new CreateTopicCommand({ Name: `orders${suffix}`, Attributes }));
    await client.send(
      new SubscribeCommand({
        TopicArn,
        Protocol: 'sqs',
        Endpoint: await queue.arn(),
        Attributes: { RawMessageDelivery: 'true' },
      }),
    );
    const target = openAwsTarget('sns', { topicArn: TopicArn!, batch: { maximumEvents: 10 } });
    opened.push(target, queue);
    return { target, queue };
  }

  it.each(['', '.fifo'] as const)('passes events on to a queue as they are: orders%s', async (suffix) => {
    const { target, queue } = await subscribed(suffix);

    const outcomes = await target.batch!.send(REQUESTS);

    expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
    const messages = await queue.messages(3);
    expect(messages.map(({ Body }) => Body)).toEqual(REQUESTS.map(({ payload }) => payload));
    expect(messages.map(attributesOf)).toEqual(
      REQUESTS.map(({ event, deliveryId }) => ({
        'event-id': event.id,
        'delivery-id': deliveryId,
        'event-type': 'order.confirmed',
        'event-source': 'ecommerce.orders',
        'rule-name': 'order-confirmed',
        'ordering-key': 'ord_1',
      })),
    );
    if (suffix === '.fifo') {
      expect(messages.map(({ Attributes }) => Attributes?.MessageGroupId)).toEqual([
        'ord_1',
        'ord_1',
        'ord_1',
      ]);
      expect(messages.map(({ Attributes }) => Attributes?.MessageDeduplicationId)).toEqual(
        REQUESTS.map(({ deliveryId }) => deliveryId),
      );
    }
  });

  it('that does not exist makes dead letters', async () => {
    const target = openAwsTarget('sns', { topicArn: 'arn:aws:sns:eu-central-1:123456789012:absent' });
    opened.push(target);

    expect(await target.send(REQUESTS[0]!)).toMatchObject({ kind: 'dead', code: 'unknown_topic' });
  });
});
