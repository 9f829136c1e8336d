import * as errors from '../errors';
import { readTimestamp } from './timestamps';
import { z } from './zod';

/** What several nouns share. What belongs to one noun stands in its own file. */

/** Units and prices: far below 2^53 even when multiplied and summed, so that sums stay exact. */
export const QUANTITY_MAX = 1_000_000;
export const UNIT_PRICE_MINOR_MAX = 1_000_000_000_000;
export const AMOUNT_MINOR_MAX = 1_000_000_000_000_000;
export const PAGE_LIMIT_MAX = 200;
export const PAGE_LIMIT_DEFAULT = 50;
/** Longer than any cursor that was given out. */
const CURSOR_LENGTH_MAX = 512;

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
/** Visible ASCII, so that two SKUs that look the same are the same. */
export const SKU = /^[\x21-\x7e]{1,128}$/;
/** A name in a path; `.` and `..` would vanish from it. */
export const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/;
/**
 * The caller's own id of a customer: letters, digits, marks, punctuation and symbols of any script. White space, control
 * and format characters (zero-width, direction overrides) are refused: with them, two ids could look the same.
 */
const CUSTOMER_ID = /^[^\p{C}\p{Z}]{1,128}$/u;

/** The id in lower case, or null for a text that is none. */
export function readUuid(text: string): string | null {
  return UUID.test(text) ? text.toLowerCase() : null;
}

export const Uuid = z.string().openapi({ format: 'uuid', example: '5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21' });
export const Timestamp = z.string().openapi({ format: 'date-time', example: '2026-11-21T08:00:00.000Z' });
export const Sku = z
  .string()
  .regex(SKU, 'This must be 1 to 128 visible ASCII characters.')
  .openapi({ example: 'SKU-1' });
export const Name = z
  .string()
  .regex(NAME, 'This must be 1 to 64 letters, digits, dots, underscores or hyphens.')
  .openapi({ example: 'orders-to-billing' });
export const CustomerId = z
  .string()
  .regex(CUSTOMER_ID, 'This must be 1 to 128 visible characters without spaces.')
  .openapi({ example: 'cus_1', pattern: CUSTOMER_ID.source });
export const AmountMinor = z.int().openapi({ description: 'Minor units of the currency', example: 1998 });
export const Currency = z.string().openapi({ description: 'ISO 4217', example: 'EUR' });

/** Of a rule or a target. */
export const Backlog = z.int().openapi({ description: 'Deliveries that are not done yet' });

/** A person's words. */
export const Reason = z.string().max(500);

const uuidMember = z
  .string()
  .regex(UUID, 'This must be a UUID.')
  .transform((text) => text.toLowerCase())
  .openapi({ type: 'string', format: 'uuid' });
const timestampMember = z
  .string()
  .transform((text, context) => {
    const moment = readTimestamp(text);
    if (moment !== null) return moment;
    context.addIssue({
      code: 'custom',
      message: 'This must be RFC 3339 with a zone, such as 2026-11-21T08:00:00Z.',
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', format: 'date-time' });

/** Members of queries, which arrive as text. */
export const queryMembers = { uuid: uuidMember, name: Name, timestamp: timestampMember } as const;
/** The same in bodies. */
export const bodyMembers = { uuid: uuidMember, timestamp: timestampMember } as const;

/** Of an event: 1 to 128 visible ASCII characters. */
const VISIBLE_128 = /^[\x21-\x7e]{1,128}$/;
export const EventType = z
  .string()
  .regex(VISIBLE_128, 'This must be 1 to 128 visible ASCII characters.')
  .openapi({ example: 'order.confirmed' });
/** What callers' own events are about: the key of their order. */
export const Subject = z
  .string()
  .regex(VISIBLE_128, 'This must be 1 to 128 visible ASCII characters.')
  .openapi({ example: 'invoice-7' });
export const Source = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'This must be 1 to 255 visible ASCII characters.')
  .openapi({ example: 'billing' });
/** Of a failure, such as `http_404`. */
export const Code = z
  .string()
  .regex(/^[a-z0-9_]{1,64}$/, 'This must be a code such as http_404.')
  .openapi({ example: 'http_404' });

/** Members of every list. */
export const pageMembers = {
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, `This must be a whole number from 1 to ${PAGE_LIMIT_MAX}.`)
    .transform(Number)
    .pipe(z.number().max(PAGE_LIMIT_MAX, `This must be at most ${PAGE_LIMIT_MAX}.`))
    .prefault(String(PAGE_LIMIT_DEFAULT))
    .openapi({ type: 'integer', minimum: 1, maximum: PAGE_LIMIT_MAX, default: PAGE_LIMIT_DEFAULT }),
  cursor: z
    .string()
    .min(1)
    .max(CURSOR_LENGTH_MAX)
    .optional()
    .openapi({ description: '`nextCursor` of the page before' }),
} as const;

/** A page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item): z.ZodType {
  return z.object({
    data: z.array(item),
    nextCursor: z.string().nullable().openapi({ description: 'null on the last page' }),
  });
}

/** Codes of failures that belong to this room or the bus, beside those of errors.ts. */
const OTHER_CODES = ['headers_too_large', 'template_error'];

/** Every code that an error answer can have. */
export const ERROR_CODES: readonly string[] = [
  ...new Set([
    ...Object.values(errors).flatMap((exported) => ('code' in exported ? [exported.code] : [])),
    ...OTHER_CODES,
  ]),
].sort();

export const ProblemDocument = z
  .looseObject({
    type: z.string().openapi({ example: 'urn:aftercommit:problem:out_of_stock' }),
    title: z.string().openapi({ example: 'Out of stock' }),
    status: z.int().openapi({ example: 409 }),
    detail: z.string(),
    code: z.enum(ERROR_CODES as [string, ...string[]]).openapi({ example: 'out_of_stock' }),
    requestId: z.string(),
    errors: z.array(
      z.object({ pointer: z.string().openapi({ example: '/lines/0/sku' }), message: z.string() }),
    ),
  })
  .openapi('Problem', { description: 'RFC 9457. Branch on `code`.' });
