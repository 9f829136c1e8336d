import type { Request } from 'express';
import type { z } from 'zod';
import { jsonPointer } from '../bus/json-pointer';
import { InvalidValueError, MalformedRequestError, type FieldError } from '../errors';

type Issue = z.core.$ZodIssue;

/** Mistakes that one answer names. More help nobody, and a body can hold thousands. */
const ERRORS_MAX = 20;

/**
 * Checks a body. A wrong JSON type, a missing or an unknown member is malformed (400); a member of the right type with a
 * value that is refused is invalid (422). With both, the former counts. No message repeats a value.
 * @throws MalformedRequestError, InvalidValueError
 */
export function checkBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body, { reportInput: true });
  if (result.success) return result.data;
  const { issues } = result.error;
  const fields = fieldErrorsOf(issues);
  if (issues.some(isMalformed)) {
    throw new MalformedRequestError('The body does not have the form that is asked for.', { fields });
  }
  throw new InvalidValueError('A value in the body is refused.', { fields });
}

/**
 * Checks the query members. All mistakes are 400: a query has no JSON types. A member that is not known or stands there
 * twice is refused, because a filter that is silently ignored answers another question than the one that was asked.
 * @throws MalformedRequestError
 */
export function checkQuery<Schema extends z.ZodType>(schema: Schema, req: Request): z.output<Schema> {
  const start = req.originalUrl.indexOf('?');
  const search = new URLSearchParams(start < 0 ? '' : req.originalUrl.slice(start + 1));
  const members = new Map<string, string>();
  for (const [name, value] of search) {
    if (members.has(name)) throw malformedQuery([{ pointer: jsonPointer([name]), message: 'Named twice.' }]);
    members.set(name, value);
  }
  const result = schema.safeParse(Object.fromEntries(members));
  if (result.success) return result.data;
  throw malformedQuery(fieldErrorsOf(result.error.issues));
}

function malformedQuery(fields: FieldError[]): MalformedRequestError {
  return new MalformedRequestError('A query member is refused.', { fields });
}

/** True for a value that is not of the JSON type that belongs there. */
function isMalformed(issue: Issue): boolean {
  switch (issue.code) {
    case 'unrecognized_keys':
      return true;
    case 'invalid_type':
      // A fraction where a whole number belongs is a number all the same.
      return issue.expected !== 'int';
    case 'invalid_value':
      return typeof issue.input !== typeof issue.values[0];
    case 'invalid_union':
      return typeof discriminatorOf(issue) !== 'string';
    default:
      return false;
  }
}

function discriminatorOf(issue: Extract<Issue, { code: 'invalid_union' }>): unknown {
  const { input } = issue;
  const name = (issue as { discriminator?: string }).discriminator ?? '';
  return typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[name] : input;
}

/** The first mistake of each member. */
function fieldErrorsOf(issues: readonly Issue[]): FieldError[] {
  const byPointer = new Map<string, FieldError>();
  for (const field of issues.flatMap(readIssue)) {
    if (!byPointer.has(field.pointer)) byPointer.set(field.pointer, field);
  }
  return [...byPointer.values()].slice(0, ERRORS_MAX);
}

function readIssue(issue: Issue): FieldError[] {
  const path = issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: jsonPointer([...path, key]),
      message: 'There is no such member.',
    }));
  }
  return [{ pointer: jsonPointer(path), message: issue.message }];
}

/**
 * A body's member that a module of another room checked: its pointers start at that member.
 * @param path - the member's place in the body
 */
export function fieldsUnder(path: readonly (string | number)[], fields: readonly FieldError[]): FieldError[] {
  const prefix = jsonPointer(path);
  if (fields.length === 0) return [{ pointer: prefix, message: 'This is refused.' }];
  return fields.map((field) => ({ ...field, pointer: `${prefix}${field.pointer}` }));
}
