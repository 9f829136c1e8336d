import { InvalidTargetError, type FieldError } from '../../errors';
import { checkTargetUrl, type AddressPolicy } from './address-guard';
import { ConfigFields } from './config-fields';
import { checkHeaders } from './http-headers';

const METHODS = ['POST', 'PUT', 'PATCH'] as const;
const ENCODINGS = ['json', 'form'] as const;
/** Source: EventBridge ends a call to an API destination after 5 s; the upper end stays below the activity's own timeout. */
const TIMEOUT_MS = { minimum: 100, maximum: 30_000, fallback: 5_000 };
const MEMBERS = ['url', 'method', 'headers', 'encoding', 'timeoutMs'];
/** Members of the contract that a later version honours; until then a promise of them would be broken silently. */
const LATER_MEMBERS = ['ratePerSecond', 'batch'];

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
  const fields = new ConfigFields(config, [...MEMBERS, ...LATER_MEMBERS]);
  for (const name of LATER_MEMBERS) {
    if (fields.value(name) !== undefined) fields.refuse([name], 'This is not supported yet.');
  }
  const url = readUrl(fields, policy);
  const method = fields.choice('method', METHODS, 'POST');
  const encoding = fields.choice('encoding', ENCODINGS, 'json');
  const timeoutMs = fields.wholeNumber('timeoutMs', TIMEOUT_MS);
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
