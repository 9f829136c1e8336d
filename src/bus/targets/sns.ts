import type * as Sns from '@aws-sdk/client-sns';
import { awsClientSettings, fifoMembers, messageAttributes, withoutRetries } from './aws-client';
import { AWS_PROPERTIES, parseArn, readAwsSettings, type AwsSettings } from './aws-config';
import { checkedSettings } from './common-settings';
import { createAwsTarget, resultsOfBatch } from './aws-target';
import { ConfigFields } from './config-fields';
import { loadDriver } from './driver';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { Target } from './target';

/** A topic, checked, and what every kind of AWS's has. */
export interface SnsTargetConfig extends AwsSettings {
  topicArn: string;
}

const PROPERTIES = {
  topicArn: { type: 'string', example: 'arn:aws:sns:eu-central-1:123456789012:orders' },
  ...AWS_PROPERTIES,
};

/** Names of topics. Source: SNS API reference, CreateTopic: 256 characters, the suffix of FIFO topics included. */
const TOPIC_NAME = /^(?=.{1,256}$)[A-Za-z0-9_-]+(\.fifo)?$/;
const TOPIC_ARN = {
  pattern: /^/,
  lengthMax: 400,
  message: 'This must be arn:aws:sns:<region>:<account>:<name>.',
};

/**
 * @param config - parsed JSON
 * @throws InvalidTargetError (not retryable) with a pointer per mistake
 */
export function parseSnsTargetConfig(config: unknown): SnsTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  const topicArn = fields.text('topicArn', TOPIC_ARN);
  const arn = parseArn(topicArn);
  const isTopic = arn?.service === 'sns' && TOPIC_NAME.test(arn.resource);
  if (topicArn !== '' && !isTopic) fields.refuse(['topicArn'], TOPIC_ARN.message);
  return checkedSettings({ topicArn, ...readAwsSettings(fields, arn?.region) }, fields);
}

/**
 * A topic of SNS, standard or FIFO. The message is the payload as it is; ids, type, source, rule and ordering key are
 * message attributes (see messageAttributes), a replay's id too. A message that is too large for the topic is dead: AWS's
 * limit is a setting of the topic, 256 KiB by default, so AWS is asked. An answer's body is read within the attempt's
 * time, without a cap.
 * @param config - what `parseSnsTargetConfig` returned
 */
export function createSnsTarget(config: SnsTargetConfig, deps: OpenTargetDeps): Target {
  const { SNSClient, PublishBatchCommand } = loadDriver<typeof Sns>('@aws-sdk/client-sns', 'sns');
  const client = withoutRetries(new SNSClient(awsClientSettings(config, deps)));
  return createAwsTarget(
    {
      notFoundCode: 'unknown_topic',
      call: async (requests, abortSignal) => {
        const PublishBatchRequestEntries = requests.map((request, index) => ({
          Id: String(index),
          Message: request.payload,
          MessageAttributes: messageAttributes(request),
          ...fifoMembers(config.topicArn, request),
        }));
        const command = new PublishBatchCommand({ TopicArn: config.topicArn, PublishBatchRequestEntries });
        return resultsOfBatch(requests.length, await client.send(command, { abortSignal }));
      },
      refreshCredentials: () => client.config.credentials({ forceRefresh: true }),
      destroy: () => client.destroy(),
    },
    { timeoutMs: config.timeoutMs, maximumEvents: config.batch.maximumEvents, now: deps.now ?? Date.now },
  );
}

/** The kind `sns` of the registry. */
export const snsKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['aws'],
  validate: parseSnsTargetConfig,
  open: (config, deps) => createSnsTarget(parseSnsTargetConfig(config), deps),
};
