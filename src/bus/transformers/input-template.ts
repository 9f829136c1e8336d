import type { EventEnvelope } from '../../domain/events';
import { compileEventPath, type EventPath } from '../event-path';
import { parseTemplate, TemplateSyntaxError, type TemplateForm, type TemplatePart } from '../template';
import {
  checkedSource,
  OUTPUT_BYTES_MAX,
  refusal,
  TemplateError,
  withinOutputLimit,
  type CompiledTransformer,
  type RenderContext,
} from './compiled';

/** Source: EventBridge API, InputTransformer: 100 pairs, names of at most 256 of these characters. */
const PATHS_MAX = 100;
const VARIABLE_NAME = /^[A-Za-z0-9_-]{1,256}$/;

type Source = (event: EventEnvelope, context: RenderContext) => unknown;

/**
 * The reserved variables. `aws.events.event` leaves `detail` out, `aws.events.event.json` is the whole event; there is
 * no `aws.events.rule-arn`, because rules have no ARN here. Source: EventBridge user guide, "Predefined variables".
 * The customer's are filled in at the moment of sending. Source: the HTTP contract, "States and events".
 */
const RESERVED: ReadonlyMap<string, Source> = new Map<string, Source>([
  ['aws.events.event.json', (event) => ({ ...headOf(event), detail: event.detail })],
  ['aws.events.event', headOf],
  ['aws.events.rule-name', (_event, context) => context.ruleName],
  ['aws.events.event.ingestion-time', (event, context) => context.ingestionTime ?? event.time],
  ['aftercommit.customer.id', (_event, context) => context.customer?.id],
  ['aftercommit.customer.phone', (_event, context) => context.customer?.phone ?? undefined],
]);

/** In the order of the envelope's own text. */
function headOf({ id, source, 'detail-type': type, time }: EventEnvelope): Omit<EventEnvelope, 'detail'> {
  return { id, source, 'detail-type': type, time };
}

/**
 * Compiles an input transformer with EventBridge's semantics. In a JSON template a variable inside a string is replaced
 * by escaped text, and one that stands alone by its value as JSON; in a text template strings are inserted as they are
 * and other values as JSON. Two differences from EventBridge: values are always escaped, and a path that the event does
 * not have is an error, where EventBridge leaves the variable out and sends what remains.
 *
 * @throws InvalidTransformerError (not retryable), with a JSON pointer into the transformer
 */
export function compileInputTemplate(config: {
  inputPathsMap?: unknown;
  inputTemplate?: unknown;
}): CompiledTransformer {
  const paths = compilePaths(config.inputPathsMap ?? {});
  const { form, parts } = parse(config.inputTemplate);
  const segments = parts.map((part) => compilePart(part, form, paths));
  const usesCustomer = parts.some(
    (part) => part.kind === 'variable' && part.name.startsWith('aftercommit.customer.'),
  );
  // eslint-disable-next-line @typescript-eslint/require-await -- A failure must reject, not throw.
  return { usesCustomer, render: async (event, context) => render(segments, event, context) };
}

function compilePaths(inputPathsMap: unknown): Map<string, EventPath> {
  if (typeof inputPathsMap !== 'object' || inputPathsMap === null || Array.isArray(inputPathsMap)) {
    throw refusal(['inputPathsMap'], 'The paths map is an object of variable names and JSON paths.');
  }
  const entries = Object.entries(inputPathsMap);
  if (entries.length > PATHS_MAX) {
    throw refusal(['inputPathsMap'], `At most ${PATHS_MAX} paths are allowed, not ${entries.length}.`);
  }
  return new Map(entries.map(([name, path]) => [name, compileNamedPath(name, path)]));
}

function compileNamedPath(name: string, path: unknown): EventPath {
  if (!VARIABLE_NAME.test(name) || /^aws/i.test(name)) {
    throw refusal(
      ['inputPathsMap', name],
      'A variable name has letters, digits, "_" and "-", and does not begin with "aws".',
    );
  }
  const compiled = typeof path === 'string' ? compileEventPath(path) : null;
  if (compiled === null) {
    throw refusal(['inputPathsMap', name], "A path looks like $.detail.lines[0].sku or $['detail-type'].");
  }
  return compiled;
}

function parse(inputTemplate: unknown): ReturnType<typeof parseTemplate> {
  const text = checkedSource('inputTemplate', inputTemplate);
  try {
    return parseTemplate(text);
  } catch (error) {
    if (error instanceof TemplateSyntaxError) throw refusal(['inputTemplate'], error.message);
    throw error;
  }
}

type Segment = (event: EventEnvelope, context: RenderContext) => string;

function compilePart(part: TemplatePart, form: TemplateForm, paths: Map<string, EventPath>): Segment {
  if (part.kind === 'literal') return () => part.text;
  const path = paths.get(part.name);
  const source: Source | undefined = path ?? RESERVED.get(part.name);
  if (source === undefined) throw refusal(['inputTemplate'], unknownVariable(part.name));
  const format = form === 'text' ? asText : part.quoted ? asStringContent : asJson;
  return (event, context) => {
    const value = source(event, context);
    if (value === undefined) throw new TemplateError(`There is no value for <${part.name}>.`);
    return format(value);
  };
}

function unknownVariable(name: string): string {
  return /^(aws|aftercommit)\./.test(name)
    ? `There is no reserved variable <${name}>; there are ${[...RESERVED.keys()].join(', ')}.`
    : `The variable <${name}> is not defined in inputPathsMap.`;
}

function render(segments: readonly Segment[], event: EventEnvelope, context: RenderContext): string {
  let output = '';
  for (const segment of segments) {
    output += segment(event, context);
    // Checked on the way: 2,000 variables that each hold a large event would not fit into memory.
    if (output.length > OUTPUT_BYTES_MAX) break;
  }
  return withinOutputLimit(output);
}

function asJson(value: unknown): string {
  return JSON.stringify(value);
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Text for the inside of a JSON string: an object becomes its own JSON, escaped once more. */
function asStringContent(value: unknown): string {
  return JSON.stringify(asText(value)).slice(1, -1);
}
