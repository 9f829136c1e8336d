import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import type { Target } from '../../src/bus/targets/target';
import { CONTRACT_EVENT, CONTRACT_REQUEST, contractRequest } from '../contract/target';
import { clientAt, openAwsTarget, Queue, REGION } from './aws-clients';
import { startMoto, type Moto } from './servers/moto';
import { describeWith } from './servers/server';

/** Matches the first and the third event. */
const PATTERN = { source: ['ecommerce.orders'], 'detail-type': ['order.confirmed'], detail: { seq: [1, 3] } };

describeWith('moto', 'an event bus of moto with a rule to a queue', () => {
  let moto: Moto;
  let client: EventBridgeClient;
  let queue: Queue;
  let target: Target;
  beforeAll(async () => {
    moto = await startMoto(process.env);
    process.env['AWS_ENDPOINT_URL'] = moto.url;
    client = new EventBridgeClient(clientAt(moto.url));
    queue = await Queue.create(moto.url, 'subscriber');
    await client.send(new CreateEventBusCommand({ Name: 'orders' }));
    const EventPattern = JSON.stringify(PATTERN);
    await client.send(new PutRuleCommand({ Name: 'odd', EventBusName: 'orders', EventPattern }));
    const Targets = [{ Id: 'queue', Arn: await queue.arn() }];
    await client.send(new PutTargetsCommand({ Rule: 'odd', EventBusName: 'orders', Targets }));
    const settings = { eventBusName: 'orders', region: REGION, batch: { maximumEvents: 10 } };
    target = openAwsTarget('eventbridge', settings);
  });
  afterAll(async () => {
    delete process.env['AWS_ENDPOINT_URL'];
    await target?.close();
    client?.destroy();
    queue?.close();
    await moto?.stop();
  });

  it('matches events as rules here do, and shows the receiver what to tell repeats by', async () => {
    const replayed = { ...contractRequest(3), replayId: '0198c5d2-0000-7000-8000-000000000201' };

    const outcomes = await target.batch!.send([CONTRACT_REQUEST, contractRequest(2), replayed]);

    expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
    const events = (await queue.messages(2)).map(({ Body }) => JSON.parse(Body!) as Record<string, unknown>);
    expect(events).toMatchObject([
      {
        source: 'ecommerce.orders',
        'detail-type': 'order.confirmed',
        detail: CONTRACT_EVENT.detail,
        resources: [
          `aftercommit:event:${CONTRACT_EVENT.id}`,
          `aftercommit:delivery:${CONTRACT_REQUEST.deliveryId}`,
          'aftercommit:rule:order-confirmed',
          'aftercommit:key:ord_1',
        ],
      },
      {
        detail: replayed.event.detail,
        resources: expect.arrayContaining([`aftercommit:replay:${replayed.replayId}`]) as unknown,
      },
    ]);
    expect(Date.parse(String(events[0]?.['time']))).toBe(Date.parse(CONTRACT_EVENT.time));
    expect(await queue.length()).toBe(0);
  });
});
