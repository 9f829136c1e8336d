import { validateTargetConfig } from '../../../src/bus/targets';
import { InvalidTargetError } from '../../../src/errors';
import { batchContract, CONTRACT_REQUEST, targetContract } from '../../contract/target';
import { openAwsHarness, type AwsHarness } from './aws-harness';
import { SNS_PROTOCOL } from './aws-protocols';

const TOPIC_ARN = 'arn:aws:sns:eu-central-1:123456789012:orders';

function open(topicArn = `${TOPIC_ARN}.fifo`): Promise<AwsHarness> {
  return openAwsHarness({ kind: 'sns', protocol: SNS_PROTOCOL, config: () => ({ topicArn }) });
}

targetContract('sns', () => open());
batchContract('sns', () => open());

describe('a topic', () => {
  it.each([
    [`${TOPIC_ARN}.fifo`, { groupId: 'ord_1', deduplicationId: CONTRACT_REQUEST.deliveryId }],
    [TOPIC_ARN, { groupId: null, deduplicationId: null }],
  ])('%s gets %j', async (topicArn, members) => {
    const harness = await open(topicArn);

    await harness.target.send(CONTRACT_REQUEST);

    expect(harness.endpoint.accepted).toMatchObject([members]);
    expect(new URLSearchParams(harness.endpoint.requests[0]?.body).get('TopicArn')).toBe(topicArn);
    await harness.close();
  });

  it.each([
    [{ name: 'Throttled' }, { kind: 'retry', code: 'throttled' }],
    [
      { name: 'NotFound', status: 404 },
      { kind: 'dead', code: 'unknown_topic' },
    ],
    [
      { name: 'AuthorizationError', status: 403 },
      { kind: 'dead', code: 'access_denied' },
    ],
    [
      { name: 'InvalidParameter', message: 'Message too long' },
      { kind: 'dead', code: 'message_too_large' },
    ],
    [{ name: 'KMSNotFound' }, { kind: 'retry', code: 'encryption_key_unavailable' }],
    [
      { name: 'InternalError', status: 500 },
      { kind: 'retry', code: 'broker_unavailable' },
    ],
    [
      { name: '', status: 503, body: '' },
      { kind: 'retry', code: 'broker_unavailable' },
    ],
  ])('that answers %j is understood as %j', async (refusal, outcome) => {
    const harness = await open();
    harness.endpoint.refuseCalls(refusal);

    expect(await harness.target.send(CONTRACT_REQUEST)).toMatchObject(outcome);
    await harness.close();
  });
});

describe('the settings of a topic', () => {
  it('get their defaults, and are the same when they are checked again', () => {
    const once = validateTargetConfig('sns', { topicArn: TOPIC_ARN }, { allowPrivate: false });

    expect(once).toEqual({
      topicArn: TOPIC_ARN,
      region: 'eu-central-1',
      timeoutMs: 5_000,
      batch: { maximumEvents: 1 },
    });
    expect(validateTargetConfig('sns', once, { allowPrivate: false })).toEqual(once);
  });

  it.each([
    [{}, '/topicArn'],
    [{ topicArn: 'orders' }, '/topicArn'],
    [{ topicArn: 'arn:aws:sqs:eu-central-1:123456789012:orders' }, '/topicArn'],
    [{ topicArn: 'arn:aws:sns:evil.example/:123456789012:orders' }, '/topicArn'],
    [{ topicArn: `${TOPIC_ARN}:6b5c1e2f-0000-4000-8000-000000000000` }, '/topicArn'],
    [{ topicArn: TOPIC_ARN, region: 'us-east-1' }, '/region'],
  ])('are refused: %j', (config, pointer) => {
    const validate = () => validateTargetConfig('sns', config, { allowPrivate: true });

    expect(validate).toThrow(InvalidTargetError);
    expect(validate).toThrow(
      expect.objectContaining({ fields: [expect.objectContaining({ pointer })] }) as Error,
    );
  });
});
