import { InvalidTargetError } from '../../errors';
import { ConfigFields } from './config-fields';

/** Settings that several kinds of target share. */

/** Source: EventBridge ends a call to an API destination after 5 s; the upper end stays below the activity's own timeout. */
const TIMEOUT_MS = { minimum: 100, maximum: 30_000, fallback: 5_000 };

/** For the API document. */
export const TIMEOUT_PROPERTY = {
  type: 'integer',
  minimum: TIMEOUT_MS.minimum,
  maximum: TIMEOUT_MS.maximum,
  default: TIMEOUT_MS.fallback,
} as const;

/** For the whole attempt: connection, request and acknowledgement. */
export function readTimeoutMs(fields: ConfigFields): number {
  return fields.wholeNumber('timeoutMs', TIMEOUT_MS);
}

export interface BatchSettings {
  /** 1 means one event in a call. */
  maximumEvents: number;
}

/** For the API document. */
export function batchProperty(maximum: number): object {
  const maximumEvents = { type: 'integer', minimum: 1, maximum, default: 1 };
  return { type: 'object', additionalProperties: false, properties: { maximumEvents } };
}

/** @param maximum - the most that the protocol, or good sense, puts into one call */
export function readBatch(fields: ConfigFields, maximum: number): BatchSettings {
  const value = fields.value('batch');
  if (value === undefined) return { maximumEvents: 1 };
  const batch = new ConfigFields(value, ['maximumEvents']);
  const maximumEvents = batch.wholeNumber('maximumEvents', { minimum: 1, maximum, fallback: 1 });
  for (const { pointer, message } of batch.errors) {
    fields.errors.push({ pointer: `/batch${pointer}`, message });
  }
  return { maximumEvents };
}

/** @throws InvalidTargetError (not retryable) with a pointer per mistake that was found */
export function checkedSettings<Settings extends object>(
  settings: Settings,
  { errors }: ConfigFields,
): Settings {
  if (errors.length > 0) throw new InvalidTargetError('The target is not valid.', { fields: errors });
  return settings;
}
