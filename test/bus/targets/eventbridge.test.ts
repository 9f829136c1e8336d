import { validateTargetConfig } from '../../../src/bus/targets';
import { InvalidTargetError } from '../../../src/errors';
import {
  batchContract,
  CONTRACT_EVENT,
  CONTRACT_REQUEST,
  contractRequest,
  targetContract,
} from '../../contract/target';
import { openAwsHarness, type AwsHarness } from './aws-harness';
import { EVENTBRIDGE_PROTOCOL } from './aws-protocols';

const BUS_ARN = 'arn:aws:events:eu-central-1:123456789012:event-bus/orders';

function open(): Promise<AwsHarness> {
  return openAwsHarness({
    kind: 'eventbridge',
    protocol: EVENTBRIDGE_PROTOCOL,
    config: () => ({ eventBusName: BUS_ARN }),
  });
}

targetContract('eventbridge', open);
batchContract('eventbridge', open);

describe('an event bus', () => {
  let harness: AwsHarness;
  beforeEach(async () => {
    harness = await open();
  });
  afterEach(() => harness.close());

  function entriesOf(request: number): unknown[] {
    return (JSON.parse(harness.endpoint.requests[request]!.body) as { Entries: unknown[] }).Entries;
  }

  it('gets the detail and the time of the event, and ids as resources', async () => {
    await harness.target.send({ ...CONTRACT_REQUEST, replayId: 'replay-1' });

    expect(entriesOf(0)).toEqual([
      {
        EventBusName: BUS_ARN,
        Source: 'ecommerce.orders',
        DetailType: 'order.confirmed',
        Time: Date.parse(CONTRACT_EVENT.time) / 1_000,
        Detail: JSON.stringify(CONTRACT_EVENT.detail),
        Resources: [
          `aftercommit:event:${CONTRACT_EVENT.id}`,
          `aftercommit:delivery:${CONTRACT_REQUEST.deliveryId}`,
          'aftercommit:rule:order-confirmed',
          'aftercommit:key:ord_1',
          'aftercommit:replay:replay-1',
        ],
      },
    ]);
  });

  it('gets what a transformer made, to the byte', async () => {
    const payload = '{ "amount": 1.0, "big": 12345678901234567890 }';

    await harness.target.send({ ...CONTRACT_REQUEST, payload });

    expect(entriesOf(0)).toMatchObject([{ Detail: payload }]);
  });

  it.each(['[1]', '"text"', 'null', 'text', ''])('is not sent %j, and gets the others', async (payload) => {
    const poison = { ...contractRequest(2), payload };

    const outcomes = await harness.target.batch!.send([CONTRACT_REQUEST, poison, contractRequest(3)]);

    expect(outcomes).toMatchObject([
      { kind: 'delivered' },
      { kind: 'dead', code: 'invalid_payload' },
      { kind: 'delivered' },
    ]);
    expect((await harness.received()).map(({ id }) => id)).toEqual([
      CONTRACT_EVENT.id,
      contractRequest(3).event.id,
    ]);
  });

  it.each([
    ['InternalFailure', { kind: 'retry', code: 'broker_unavailable' }],
    ['InternalException', { kind: 'retry', code: 'broker_unavailable' }],
    ['ThrottlingException', { kind: 'retry', code: 'throttled' }],
    ['MalformedDetail', { kind: 'dead', code: 'invalid_payload' }],
    ['NotAuthorizedForSourceException', { kind: 'dead', code: 'access_denied' }],
    ['AccessDeniedException', { kind: 'dead', code: 'access_denied' }],
    ['ResourceNotFoundException', { kind: 'dead', code: 'unknown_event_bus' }],
    ['InvalidArgument', { kind: 'dead', code: 'request_refused' }],
  ])('that answers an entry with %s is understood as %j', async (name, outcome) => {
    harness.endpoint.refuseEntries(() => ({ name }));

    expect(await harness.target.send(CONTRACT_REQUEST)).toMatchObject(outcome);
  });

  it('that finds a call too large gets its events one by one', async () => {
    const message = 'Total size of the entries in the request is over the limit.';
    harness.endpoint.refuseCalls(({ entries }) =>
      entries.length > 1 ? { name: 'ValidationException', message } : null,
    );

    const outcomes = await harness.target.batch!.send([1, 2, 3].map(contractRequest));

    expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
    expect(harness.endpoint.requests).toHaveLength(4);
  });
});

describe('the settings of an event bus', () => {
  it.each([
    [{ eventBusName: 'orders' }, {}],
    [{ eventBusName: 'orders', region: 'us-gov-west-1' }, { region: 'us-gov-west-1' }],
    [{ eventBusName: BUS_ARN }, { region: 'eu-central-1' }],
  ])('%j get their defaults, and are the same when they are checked again', (config, region) => {
    const once = validateTargetConfig('eventbridge', config, { allowPrivate: false });

    expect(once).toEqual({ ...config, ...region, timeoutMs: 5_000, batch: { maximumEvents: 1 } });
    expect(validateTargetConfig('eventbridge', once, { allowPrivate: false })).toEqual(once);
  });

  it.each([
    [{}, '/eventBusName'],
    [{ eventBusName: 'a b' }, '/eventBusName'],
    [{ eventBusName: 'arn:aws:events:eu-central-1:123456789012:rule/orders' }, '/eventBusName'],
    [{ eventBusName: BUS_ARN, region: 'us-east-1' }, '/region'],
  ])('are refused: %j', (config, pointer) => {
    const validate = () => validateTargetConfig('eventbridge', config, { allowPrivate: true });

    expect(validate).toThrow(InvalidTargetError);
    expect(validate).toThrow(
      expect.objectContaining({ fields: [expect.objectContaining({ pointer })] }) as Error,
    );
  });
});
