import { AppError, InvalidTransformerError } from '../../errors';
import type { EventEnvelope } from '../../domain/events';
import { jsonPointer } from '../json-pointer';

/** What each form of transformer shares: what it compiles to, its limits, and how it says no. */

/** Source: EventBridge API, Target: Input, and InputTransformer's template, 8,192 each. UTF-8 bytes. */
export const SOURCE_BYTES_MAX = 8_192;
/** UTF-8 bytes of what is sent: EventBridge's own limit for one entry. Source: bad-input, row 51. */
export const OUTPUT_BYTES_MAX = 256 * 1_024;

/** What a template may name beside the event. Nothing of it is stored. */
export interface RenderContext {
  ruleName: string;
  /** RFC 3339, UTC: when the bus got the event. Default: the event's own time, which the same transaction wrote. */
  ingestionTime?: string | undefined;
  /** Read right before the send, and only when `usesCustomer`. Null or absent: erased, or not known. */
  customer?: { id: string; phone: string | null } | null | undefined;
}

/** A transformer that was checked once and can be used often. */
export interface CompiledTransformer {
  /** True when the template names personal data, which the sender then reads for `context.customer`. */
  readonly usesCustomer: boolean;
  /**
   * What is sent for the event. The same event and context always give the same bytes.
   * @throws TemplateError when the event or the context lacks a value, the output is larger than 256 KB, or an expression
   *   fails or goes beyond its limits
   */
  render(event: EventEnvelope, context: RenderContext): Promise<string>;
}

/** The transformer cannot be applied to this event: it goes to the dead letters. Its message holds no values. */
export class TemplateError extends AppError {
  static override readonly code = 'template_error';
  static override readonly httpStatus = 422;
}

/** @returns the output as it is. @throws TemplateError when it is larger than a target may get */
export function withinOutputLimit(output: string): string {
  if (output.length <= OUTPUT_BYTES_MAX && Buffer.byteLength(output) <= OUTPUT_BYTES_MAX) return output;
  throw new TemplateError(`The transformer's output is larger than ${OUTPUT_BYTES_MAX} bytes.`);
}

/**
 * @param member - of the transformer; holds the source
 * @returns the text
 * @throws InvalidTransformerError (not retryable) for what is no text, empty or too long
 */
export function checkedSource(member: string, text: unknown): string {
  if (typeof text !== 'string' || text === '') throw refusal([member], 'This is a text that is not empty.');
  const bytes = Buffer.byteLength(text);
  if (bytes > SOURCE_BYTES_MAX) {
    throw refusal([member], `The text has ${bytes} bytes; at most ${SOURCE_BYTES_MAX} are allowed.`);
  }
  return text;
}

/** @param path - the place in the transformer */
export function refusal(path: readonly string[], message: string): InvalidTransformerError {
  return new InvalidTransformerError(message, { fields: [{ pointer: jsonPointer(path), message }] });
}
