import {
  batchProperty,
  readBatch,
  readTimeoutMs,
  TIMEOUT_PROPERTY,
  type BatchSettings,
} from './common-settings';
import type { ConfigFields } from './config-fields';

/** What SendMessageBatch, PublishBatch and PutEvents take in one call. Source: their API references. */
const EVENTS_PER_CALL_MAX = 10;

/** It becomes a part of the host that is called, so nothing else may be written in it. */
const REGION = '[a-z]{2,4}(?:-[a-z]+){1,3}-\\d{1,2}';
const REGION_ONLY = new RegExp(`^${REGION}$`);
/** Of any partition: aws, aws-cn, aws-us-gov and so on. */
const ARN = new RegExp(`^arn:aws(?:-[a-z]+)*:([a-z]+):(${REGION}):\\d{12}:(.+)$`);
const SQS_HOST = new RegExp(`^sqs\\.(${REGION})\\.amazonaws\\.com(?:\\.cn)?$`);

/** The settings that every kind of AWS's has, for the API document. */
export const AWS_PROPERTIES = {
  region: { type: 'string', example: 'eu-central-1' },
  timeoutMs: TIMEOUT_PROPERTY,
  batch: batchProperty(EVENTS_PER_CALL_MAX),
} as const;

export interface AwsSettings {
  /** Absent: AWS's own chain says it, which reads AWS_REGION and the profile. */
  region?: string;
  /** For a whole attempt: credentials, name look-up, connection, request and answer. */
  timeoutMs: number;
  batch: BatchSettings;
}

/**
 * Reads what every kind of AWS's has.
 * @param addressRegion - the region that the queue, topic or event bus names itself, which no other may contradict: AWS
 * answers for what lies in another region as if it did not exist
 */
export function readAwsSettings(fields: ConfigFields, addressRegion: string | undefined): AwsSettings {
  const region = fields.value('region') === undefined ? addressRegion : readRegion(fields, addressRegion);
  const timeoutMs = readTimeoutMs(fields);
  const batch = readBatch(fields, EVENTS_PER_CALL_MAX);
  return region === undefined ? { timeoutMs, batch } : { region, timeoutMs, batch };
}

/** The parts of an Amazon Resource Name; null when it is none. */
export function parseArn(text: string): { service: string; region: string; resource: string } | null {
  const [, service = '', region = '', resource = ''] = ARN.exec(text) ?? [];
  return service === '' ? null : { service, region, resource };
}

/** The region in the host of an SQS queue's URL; undefined when it is none of AWS's. */
export function sqsRegionOf(host: string): string | undefined {
  return SQS_HOST.exec(host)?.[1];
}

function readRegion(fields: ConfigFields, addressRegion: string | undefined): string {
  const message = 'This must be the name of a region, for instance eu-central-1.';
  const region = fields.text('region', { pattern: REGION_ONLY, lengthMax: 64, message });
  if (region !== '' && addressRegion !== undefined && region !== addressRegion) {
    fields.refuse(['region'], `This must be ${addressRegion}, where it lies, or be left out.`);
  }
  return region;
}
