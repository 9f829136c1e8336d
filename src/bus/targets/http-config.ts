import { InvalidTargetError, type FieldError } from '../../errors';
import { checkTargetUrl, type AddressPolicy } from './address-guard';
import { batchProperty, readBatch, readTimeoutMs, TIMEOUT_PROPERTY } from './common-settings';
import { ConfigFields } from './config-fields';
import { checkHeaders } from './http-headers';

const METHODS = ['POST', 'PUT', 'PATCH'] as const;
const ENCODINGS = ['json', 'form'] as const;
/** One event in a call: a receiver's answer is about one. */
const EVENTS_PER_CALL_MAX = 1;
/** For the API document; what is not named here is refused. */
export const HTTP_PROPERTIES = {
  url: { type: 'string', example: 'https://billing.example.com/events' },
  method: { type: 'string', enum: [...METHODS], default: 'POST' },
  headers: { type: 'object', additionalProperties: { type: 'string' } },
  encoding: { type: 'string', enum: [...ENCODINGS], default: 'json' },
  timeoutMs: TIMEOUT_PROPERTY,
  batch: batchProperty(EVENTS_PER_CALL_MAX),
} as const;

/** An API destination, checked and with its defaults filled in. */
export interface HttpTargetConfig {
  url: string;
  method: (typeof METHODS)[number];
  /** Static headers, names in lower case. */
  headers: Record<string, string>;
  /** How the payload travels: as it is, or a flat JSON object as form fields. */
  encoding: (typeof ENCODINGS)[number];
  /** For the whole attempt: name look-up, connection, request and answer. */
  timeoutMs: number;
}

/**
 * @param config - parsed JSON
 * @throws InvalidTargetError (not retryable) with a pointer per mistake
 */
export function parseHttpTargetConfig(config: unknown, policy: AddressPolicy): HttpTargetConfig {
  const fields = new ConfigFields(config, Object.keys(HTTP_PROPERTIES));
  const url = readUrl(fields, policy);
  const method = fields.choice('method', METHODS, 'POST');
  const encoding = fields.choice('encoding', ENCODINGS, 'json');
  const timeoutMs = readTimeoutMs(fields);
  readBatch(fields, EVENTS_PER_CALL_MAX);
  const { headers, errors } = checkHeaders(fields.value('headers'));
  if (encoding === 'form' && headers['content-type'] !== undefined) {
    fields.refuse(['headers', 'content-type'], 'A form has its own content type.');
  }
  throwIfAny([...fields.errors, ...errors]);
  return { url, method, headers, encoding, timeoutMs };
}

function readUrl(fields: ConfigFields, policy: AddressPolicy): string {
  try {
    return checkTargetUrl(fields.value('url'), policy).href;
  } catch (error) {
    if (!(error instanceof InvalidTargetError)) throw error;
    fields.errors.push(...error.fields);
    return '';
  }
}

function throwIfAny(errors: FieldError[]): void {
  if (errors.length > 0) throw new InvalidTargetError('The target is not valid.', { fields: errors });
}
