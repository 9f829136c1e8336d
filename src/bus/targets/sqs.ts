import type * as Sqs from '@aws-sdk/client-sqs';
import { InvalidTargetError } from '../../errors';
import { AddressBlockedError, checkTargetUrl, guardedLookup, type AddressPolicy } from './address-guard';
import { awsClientSettings, fifoMembers, messageAttributes, withoutRetries } from './aws-client';
import { AWS_PROPERTIES, readAwsSettings, sqsRegionOf, type AwsSettings } from './aws-config';
import { checkedSettings } from './common-settings';
import { createAwsTarget, resultsOfBatch } from './aws-target';
import { ConfigFields } from './config-fields';
import { loadDriver } from './driver';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { Target } from './target';

/** A queue's URL, checked, and what every kind of AWS's has. */
export interface SqsTargetConfig extends AwsSettings {
  queueUrl: string;
}

const PROPERTIES = {
  queueUrl: { type: 'string', example: 'https://sqs.eu-central-1.amazonaws.com/123456789012/orders.fifo' },
  ...AWS_PROPERTIES,
};

/** Names of queues. Source: SQS API reference, CreateQueue: 80 characters, the suffix of FIFO queues included. */
const AWS_PATH = /^\/\d{12}\/(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?$/;
const MESSAGE = 'This must be https://sqs.<region>.amazonaws.com/<account>/<name>.';

/**
 * @param config - parsed JSON
 * @throws InvalidTargetError (not retryable) with a pointer per mistake
 */
export function parseSqsTargetConfig(config: unknown, policy: AddressPolicy): SqsTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  const queueUrl = readQueueUrl(fields, policy);
  const addressRegion = queueUrl === '' ? undefined : sqsRegionOf(new URL(queueUrl).host);
  return checkedSettings({ queueUrl, ...readAwsSettings(fields, addressRegion) }, fields);
}

/**
 * A queue of SQS, standard or FIFO. The body is the payload as it is; ids, type, source, rule and ordering key are message
 * attributes (see messageAttributes), a replay's id too. A message that is too large for the queue is dead: AWS's limit is
 * a setting of the queue, up to 1 MiB, so AWS is asked. An answer's body is read within the attempt's time, without a cap.
 * @param config - what `parseSqsTargetConfig` returned
 */
export function createSqsTarget(config: SqsTargetConfig, deps: OpenTargetDeps): Target {
  const { host, origin } = new URL(config.queueUrl);
  const isAws = sqsRegionOf(host) !== undefined;
  if (!isAws && !deps.allowPrivate) return blockedTarget();
  const { SQSClient, SendMessageBatchCommand } = loadDriver<typeof Sqs>('@aws-sdk/client-sqs', 'sqs');
  const at = isAws ? undefined : { endpoint: origin, lookup: guardedLookup(deps, deps.lookup) };
  // The SDK would take the host of any queue's URL for its endpoint; here it has been judged first.
  const settings = { ...awsClientSettings(config, deps, at), useQueueUrlAsEndpoint: false };
  const client = withoutRetries(new SQSClient(settings));
  return createAwsTarget(
    {
      notFoundCode: 'unknown_queue',
      call: async (requests, abortSignal) => {
        const Entries = requests.map((request, index) => ({
          Id: String(index),
          MessageBody: request.payload,
          MessageAttributes: messageAttributes(request),
          ...fifoMembers(config.queueUrl, request),
        }));
        const command = new SendMessageBatchCommand({ QueueUrl: config.queueUrl, Entries });
        return resultsOfBatch(requests.length, await client.send(command, { abortSignal }));
      },
      refreshCredentials: () => client.config.credentials({ forceRefresh: true }),
      destroy: () => client.destroy(),
    },
    { timeoutMs: config.timeoutMs, maximumEvents: config.batch.maximumEvents, now: deps.now ?? Date.now },
  );
}

/** The kind `sqs` of the registry. */
export const sqsKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['aws'],
  validate: parseSqsTargetConfig,
  // Stored addresses were checked under the policy of their day; today's policy is applied when the target is opened.
  open: (config, deps) => createSqsTarget(parseSqsTargetConfig(config, { allowPrivate: true }), deps),
};

function readQueueUrl(fields: ConfigFields, policy: AddressPolicy): string {
  try {
    const url = checkTargetUrl(fields.value('queueUrl'), policy);
    const isAws = sqsRegionOf(url.host) !== undefined && url.protocol === 'https:';
    const fits = isAws ? AWS_PATH.test(url.pathname) && url.search === '' : policy.allowPrivate;
    if (fits) return url.href;
    fields.refuse(['queueUrl'], MESSAGE);
  } catch (error) {
    if (!(error instanceof InvalidTargetError)) throw error;
    fields.refuse(['queueUrl'], error.message);
  }
  return '';
}

function blockedTarget(): Target {
  const { code, message } = new AddressBlockedError(
    'The host is none of AWS and private targets are not allowed.',
  );
  return {
    send: () => Promise.resolve({ kind: 'dead', status: null, latencyMs: 0, code, message }),
    close: () => Promise.resolve(),
  };
}
