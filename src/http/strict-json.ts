import { jsonPointer } from '../bus/json-pointer';
import { InvalidValueError, MalformedRequestError } from '../errors';

/** Containers within containers. Deeper bodies are attacks on recursive code further in; ours have five levels. */
const DEPTH_MAX = 64;

/** Members that change an object's nature in JavaScript instead of adding to it. Source: bad-input, row 9. */
const FORBIDDEN_NAMES = ['__proto__', 'constructor', 'prototype'];

/** The tokens of a text that is known to be JSON; what stands between them is white space. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|-?\d[\d.eE+-]*/g;

type Frame =
  | { kind: 'object'; names: Set<string>; name: string; nameIsNext: boolean }
  | { kind: 'array'; index: number };

/**
 * Parses JSON and refuses what parsers disagree about, because two readers of one body must never see two orders:
 * members that stand there twice, names that touch JavaScript's prototypes, NUL characters, lone surrogates, and numbers
 * that would not come back as they were written.
 * @throws MalformedRequestError with a pointer where one is known; InvalidValueError for such a number
 */
export function parseStrictJson(text: string): unknown {
  const value = parse(text);
  const stack: Frame[] = [];
  for (const [token] of text.matchAll(TOKEN)) readToken(token, stack);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Without the cause: its message quotes the body.
    throw new MalformedRequestError('The body is not valid JSON.');
  }
}

function readToken(token: string, stack: Frame[]): void {
  const top = stack.at(-1);
  switch (token) {
    case '{':
      return open(stack, { kind: 'object', names: new Set(), name: '', nameIsNext: true });
    case '[':
      return open(stack, { kind: 'array', index: 0 });
    case '}':
    case ']':
      return void stack.pop();
    case ':':
      return;
    case ',':
      if (top?.kind === 'array') top.index += 1;
      else if (top?.kind === 'object') top.nameIsNext = true;
      return;
  }
  if (!token.startsWith('"')) return checkNumber(token, stack);
  const text = JSON.parse(token) as string;
  if (top?.kind === 'object' && top.nameIsNext) readName(text, top, stack);
  checkText(text, stack);
}

function open(stack: Frame[], frame: Frame): void {
  if (stack.length >= DEPTH_MAX) throw malformed(`The body is nested more than ${DEPTH_MAX} deep.`, []);
  stack.push(frame);
}

function readName(name: string, frame: Extract<Frame, { kind: 'object' }>, stack: Frame[]): void {
  frame.name = name;
  frame.nameIsNext = false;
  if (frame.names.has(name)) throw malformed('This member stands there twice.', stack);
  if (FORBIDDEN_NAMES.includes(name)) throw malformed('A member cannot have this name.', stack);
  frame.names.add(name);
}

function checkText(text: string, stack: Frame[]): void {
  if (text.includes('\0')) throw malformed('A text cannot hold the character NUL.', stack);
  if (!text.isWellFormed()) throw malformed('A text cannot hold half of a surrogate pair.', stack);
}

function checkNumber(token: string, stack: Frame[]): void {
  if (decimal(token) === decimal(String(Number(token)))) return;
  const message = 'This number has more digits than can be kept exactly.';
  throw new InvalidValueError(message, { fields: [{ pointer: pointerOf(stack), message }] });
}

/** A number's digits and exponent, the same for all spellings of it: `1.50e3`, `1500` and `15e2` are `15e2`. */
function decimal(text: string): string {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (found === null) return text;
  const [, sign, whole = '', fraction = '', exponent = '0'] = found;
  const significant = `${whole}${fraction}`.replace(/^0+/, '');
  const digits = significant.replace(/0+$/, '');
  if (digits === '') return '0';
  return `${sign}${digits}e${Number(exponent) - fraction.length + (significant.length - digits.length)}`;
}

function malformed(message: string, stack: readonly Frame[]): MalformedRequestError {
  const pointer = pointerOf(stack);
  return new MalformedRequestError(message, { fields: [{ pointer, message }] });
}

function pointerOf(stack: readonly Frame[]): string {
  return jsonPointer(stack.map((frame) => (frame.kind === 'array' ? frame.index : frame.name)));
}
