import { validateTargetConfig } from '../../../src/bus/targets';
import type { SendOutcome, TargetRequest } from '../../../src/bus/targets/target';
import { InvalidTargetError } from '../../../src/errors';
import { batchContract, CONTRACT_REQUEST, contractRequest, targetContract } from '../../contract/target';
import type { Refusal } from './aws-endpoint';
import { openAwsHarness, openAwsTarget, type AwsHarness, type AwsHarnessOptions } from './aws-harness';
import { SQS_PROTOCOL } from './aws-protocols';

const QUEUE_URL = 'https://sqs.eu-central-1.amazonaws.com/123456789012/orders';
const THREE = [1, 2, 3].map(contractRequest);

function open(options: Partial<AwsHarnessOptions> = {}, name = 'orders.fifo'): Promise<AwsHarness> {
  return openAwsHarness({
    kind: 'sqs',
    protocol: SQS_PROTOCOL,
    config: (url) => ({ queueUrl: `${url}/000000000000/${name}`, region: 'eu-central-1' }),
    ...options,
  });
}

targetContract('sqs', () => open());
batchContract('sqs', () => open());

describe('a queue', () => {
  const opened: AwsHarness[] = [];
  afterEach(async () => {
    for (const harness of opened.splice(0)) await harness.close();
  });

  async function openQueue(options: Partial<AwsHarnessOptions> = {}, name?: string): Promise<AwsHarness> {
    const harness = await open(options, name);
    opened.push(harness);
    return harness;
  }

  it('that is FIFO gets the order as group and the delivery as deduplication id', async () => {
    const { target, endpoint } = await openQueue();
    const ofAnotherRule = { ...CONTRACT_REQUEST, deliveryId: contractRequest(2).deliveryId };

    await target.send(CONTRACT_REQUEST);
    await target.send(ofAnotherRule);

    expect(endpoint.accepted).toMatchObject([
      { groupId: 'ord_1', deduplicationId: CONTRACT_REQUEST.deliveryId },
      { groupId: 'ord_1', deduplicationId: ofAnotherRule.deliveryId },
    ]);
  });

  it('that is standard gets neither', async () => {
    const { target, endpoint } = await openQueue({}, 'orders');

    await target.send(CONTRACT_REQUEST);

    expect(endpoint.accepted).toMatchObject([{ groupId: null, deduplicationId: null }]);
  });

  it('is sent to where the environment says, with the URL as its name only', async () => {
    const { target, endpoint } = await openQueue({ config: () => ({ queueUrl: QUEUE_URL }) });

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });
    expect(endpoint.requests[0]?.body).toContain(`"QueueUrl":"${QUEUE_URL}"`);
    expect(endpoint.requests[0]?.headers.authorization).toContain('/eu-central-1/sqs/');
  });

  it('takes one event at a time when nothing else is asked for', async () => {
    const { target } = await openQueue({ maximumEvents: 1 });

    expect(target.batch).toBeUndefined();
  });

  it.each<[Refusal, Partial<SendOutcome>]>([
    [{ name: 'RequestThrottled' }, { kind: 'retry', code: 'throttled', status: 400 }],
    [
      { name: 'ThrottlingException', headers: { 'retry-after': '7' } },
      { kind: 'retry', code: 'throttled', retryAfterMs: 7_000 },
    ],
    [{ name: 'KmsThrottled' }, { kind: 'retry', code: 'throttled' }],
    [{ name: 'KmsDisabled' }, { kind: 'retry', code: 'encryption_key_unavailable' }],
    [{ name: 'KmsAccessDenied' }, { kind: 'dead', code: 'access_denied' }],
    [
      { name: 'AccessDeniedException', status: 403 },
      { kind: 'dead', code: 'access_denied', status: 403 },
    ],
    [{ name: 'AWS.SimpleQueueService.NonExistentQueue' }, { kind: 'dead', code: 'unknown_queue' }],
    [{ name: 'QueueDoesNotExist' }, { kind: 'dead', code: 'unknown_queue' }],
    [
      { name: 'RequestTimeTooSkewed', status: 403 },
      { kind: 'retry', code: 'clock_skewed' },
    ],
    [{ name: 'BatchRequestTooLong' }, { kind: 'dead', code: 'message_too_large' }],
    [
      { name: 'InvalidParameterValue', message: 'Reason: Message must be shorter than 1048576 bytes.' },
      { kind: 'dead', code: 'message_too_large' },
    ],
    [
      { name: 'InvalidParameterValue', message: 'ord_1' },
      { kind: 'dead', code: 'request_refused' },
    ],
    [
      { name: 'ServiceUnavailable', status: 503 },
      { kind: 'retry', code: 'broker_unavailable', status: 503 },
    ],
    [
      { name: '', status: 502, body: '<html>' },
      { kind: 'retry', code: 'broker_unavailable' },
    ],
    [
      { name: '', status: 403, body: '<html>' },
      { kind: 'dead', code: 'access_denied' },
    ],
    [
      { name: '', status: 200, body: '<html>' },
      { kind: 'retry', code: 'invalid_answer' },
    ],
    [
      { name: '', status: 307, body: '', headers: { location: 'http://169.254.169.254/' } },
      { kind: 'dead', code: 'redirect_refused' },
    ],
  ])('that answers %j is understood as %j', async (refusal, outcome) => {
    const { target, endpoint } = await openQueue();
    endpoint.refuseCalls(refusal);

    const answered = await target.send(CONTRACT_REQUEST);

    expect(answered).toMatchObject(outcome);
    expect(JSON.stringify(answered)).not.toMatch(/ord_1|very-secret/);
    expect(endpoint.requests).toHaveLength(1);
  });

  it('that throttles an entry as the fault of the sender is sent it again', async () => {
    const { target, endpoint } = await openQueue();
    endpoint.refuseEntries(() => ({ name: 'ThrottlingException', isSenderFault: true }));

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry', code: 'throttled' });
  });

  it.each(['BatchRequestTooLong', 'InvalidMessageContents'])(
    'that refuses a whole batch with %s for one event gets the others without it',
    async (name) => {
      const { target, endpoint } = await openQueue();
      const isPoison = ({ deliveryId }: Pick<TargetRequest, 'deliveryId'>) =>
        deliveryId === THREE[1]?.deliveryId;
      endpoint.refuseCalls(({ entries }) =>
        entries.some(({ received }) => isPoison(received)) ? { name } : null,
      );

      const outcomes = await target.batch!.send(THREE);

      expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'dead', 'delivered']);
      expect(endpoint.accepted.map(({ received }) => received.deliveryId)).toEqual([
        THREE[0]?.deliveryId,
        THREE[2]?.deliveryId,
      ]);
    },
  );

  it('does not repeat event by event what concerns all of them', async () => {
    const { target, endpoint } = await openQueue();
    endpoint.refuseCalls({ name: 'QueueDoesNotExist' });

    const outcomes = await target.batch!.send(THREE);

    expect(outcomes).toMatchObject(THREE.map(() => ({ kind: 'dead', code: 'unknown_queue' })));
    expect(endpoint.requests).toHaveLength(1);
  });

  it('cannot be reached: the cause is told', async () => {
    const harness = await openQueue();
    const { target } = harness;
    await harness.arrange('unreachable');
    const refused = await target.send(CONTRACT_REQUEST);
    await harness.arrange('accepts-then-cuts');
    const cut = await target.send(CONTRACT_REQUEST);

    expect([refused.kind === 'retry' && refused.code, cut.kind === 'retry' && cut.code]).toEqual([
      'connection_refused',
      'connection_reset',
    ]);
  });

  it('waits for what is being sent before it closes', async () => {
    const { target } = await openQueue();

    const sending = target.send(CONTRACT_REQUEST);
    await target.close();

    expect(await sending).toMatchObject({ kind: 'delivered' });
  });
});

describe('credentials', () => {
  const NAMES = [
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_EC2_METADATA_DISABLED',
    'AWS_SHARED_CREDENTIALS_FILE',
    'AWS_CONFIG_FILE',
  ];
  const before = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]));
  let harness: AwsHarness;
  beforeEach(async () => {
    for (const name of NAMES) delete process.env[name];
    // Nothing but the environment may be found on the machine that runs this.
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/nonexistent';
    process.env['AWS_CONFIG_FILE'] = '/nonexistent';
    harness = await open({ connection: null });
  });
  afterEach(async () => {
    await harness.close();
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  function setKey(key: string): void {
    process.env['AWS_ACCESS_KEY_ID'] = key;
    process.env['AWS_SECRET_ACCESS_KEY'] = 'very-secret';
  }

  it('come from the environment, and are asked for once more when they are refused', async () => {
    setKey('AKIAFIRST');
    await harness.target.send(CONTRACT_REQUEST);
    setKey('AKIASECOND');
    harness.endpoint.refuseCalls(({ headers }) =>
      headers.authorization?.includes('AKIAFIRST') === true ? { name: 'ExpiredToken', status: 403 } : null,
    );

    expect(await harness.target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });
  });

  it('that are refused again make dead letters', async () => {
    setKey('AKIAFIRST');
    harness.endpoint.refuseCalls({ name: 'UnrecognizedClientException', status: 403 });

    expect(await harness.target.send(CONTRACT_REQUEST)).toMatchObject({
      kind: 'dead',
      status: 403,
      code: 'credentials_refused',
    });
    expect(harness.endpoint.requests).toHaveLength(2);
  });

  it('that are nowhere to be had are waited for', async () => {
    const outcome = await harness.target.send(CONTRACT_REQUEST);

    expect(outcome).toMatchObject({ kind: 'retry', code: 'credentials_unavailable' });
    expect(harness.endpoint.requests).toEqual([]);
  });
});

describe('the settings of a queue', () => {
  function pointersOfRefusal(config: unknown, allowPrivate = false): string[] {
    try {
      validateTargetConfig('sqs', config, { allowPrivate });
    } catch (error) {
      if (error instanceof InvalidTargetError) return error.fields.map(({ pointer }) => pointer);
      throw error;
    }
    return [];
  }

  it('get their defaults, and are the same when they are checked again', () => {
    const once = validateTargetConfig('sqs', { queueUrl: QUEUE_URL }, { allowPrivate: false });

    expect(once).toEqual({
      queueUrl: QUEUE_URL,
      region: 'eu-central-1',
      timeoutMs: 5_000,
      batch: { maximumEvents: 1 },
    });
    expect(validateTargetConfig('sqs', once, { allowPrivate: false })).toEqual(once);
  });

  it.each([
    [{}, ['/queueUrl']],
    [{ queueUrl: QUEUE_URL, region: 'us-east-1' }, ['/region']],
    [{ queueUrl: QUEUE_URL, region: 'evil.example/' }, ['/region']],
    [{ queueUrl: QUEUE_URL, batch: { maximumEvents: 11 } }, ['/batch/maximumEvents']],
    [{ queueUrl: QUEUE_URL, batch: { maximumEvents: 2, a: 1 } }, ['/batch/a']],
    [{ queueUrl: QUEUE_URL, batch: [] }, ['/batch']],
    [{ queueUrl: QUEUE_URL, timeoutMs: 99, a: 1 }, ['/a', '/timeoutMs']],
    [{ queueUrl: `${QUEUE_URL}?a=b` }, ['/queueUrl']],
    [{ queueUrl: 'https://sqs.eu-central-1.amazonaws.com.evil.example/123456789012/orders' }, ['/queueUrl']],
    [{ queueUrl: 'https://sqs.evil.example/.amazonaws.com/123456789012/orders' }, ['/queueUrl']],
    [{ queueUrl: 'http://sqs.eu-central-1.amazonaws.com/123456789012/orders' }, ['/queueUrl']],
    [{ queueUrl: 'https://queues.example.com/123456789012/orders' }, ['/queueUrl']],
    [{ queueUrl: 'http://127.0.0.1:9324/000000000000/orders' }, ['/queueUrl']],
  ])('are refused: %j', (config, pointers) => {
    expect(pointersOfRefusal(config)).toEqual(pointers);
  });

  it('name another host only where private targets are allowed, and never one that hands out credentials', () => {
    expect(pointersOfRefusal({ queueUrl: 'http://127.0.0.1:9324/000000000000/orders' }, true)).toEqual([]);
    expect(pointersOfRefusal({ queueUrl: 'http://169.254.169.254/000000000000/orders' }, true)).toEqual([
      '/queueUrl',
    ]);
  });

  it('that were stored while private targets were allowed are blocked later', async () => {
    const target = openAwsTarget(
      'sqs',
      { queueUrl: 'http://127.0.0.1:9324/000000000000/orders' },
      { allowPrivate: false },
    );

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', code: 'ssrf_blocked' });
    await target.close();
  });
});
