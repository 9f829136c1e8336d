import { createRequire } from 'node:module';
import type jsonata from 'jsonata';
import { MissingDriverError } from '../../errors';
import { loadDriver } from '../targets/driver';
import { checkedSource, refusal, TemplateError, type CompiledTransformer } from './compiled';
import type { Evaluation } from './jsonata-child';
import { EXPRESSION_LIMITS, JsonataRunner } from './jsonata-runner';

const PACKAGE = 'jsonata';
/**
 * Not available: `$eval` would run texts of the event as programs, and the other two would make other bytes of the same
 * event. `$now` and `$millis` are, and give the event's own time.
 */
const REFUSED_FUNCTIONS = new Set(['eval', 'random', 'shuffle']);

/** One child process for all expressions of the process. It starts with the first event that needs it. */
let runner: JsonataRunner | undefined;

/**
 * An expression in JSONata over the event's envelope. Its result is sent as JSON. It cannot reach anything but the event,
 * and is stopped at its limits of steps, depth, time and memory.
 * @throws InvalidTransformerError (not retryable) with the pointer `/jsonata` and the place of the mistake
 * @throws MissingDriverError (not retryable) when the package is not installed
 */
export function compileJsonata(expression: unknown): CompiledTransformer {
  const text = checkedSource('jsonata', expression);
  refuseFunctions(parse(text));
  return {
    usesCustomer: false,
    render: async (event) => {
      runner ??= new JsonataRunner(createRequire(__filename).resolve(PACKAGE));
      // In the order of the envelope's own text, so that `$` gives the same bytes wherever the event was read.
      const { id, source, 'detail-type': type, time, detail } = event;
      const input = { id, source, 'detail-type': type, time, detail };
      return outputOf(await runner.evaluate({ expression: text, input, at: Date.parse(time) }));
    },
  };
}

function parse(text: string): jsonata.ExprNode {
  try {
    return loadDriver<typeof jsonata>(PACKAGE, 'transformer')(text).ast();
  } catch (error) {
    if (error instanceof MissingDriverError) {
      throw new MissingDriverError(
        `A transformer in JSONata needs the package ${PACKAGE}, which is not installed. Run: npm install ${PACKAGE}`,
      );
    }
    // The parser throws plain objects, and RangeError for nesting that is too deep for its own recursion.
    const { code, position } = error as { code?: unknown; position?: unknown };
    throw refusal(['jsonata'], `This is not an expression in JSONata${placeOf(code, position)}.`);
  }
}

/** Names are looked up by variables only, so that none of these can be reached in another way. */
function refuseFunctions(ast: jsonata.ExprNode): void {
  const seen = new Set<object>();
  const open: object[] = [ast];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const { type, value, position } = node as { type?: unknown; value?: unknown; position?: unknown };
    if (type === 'variable' && REFUSED_FUNCTIONS.has(value as string)) {
      throw refusal(['jsonata'], `$${String(value)} is not available${placeOf(undefined, position)}.`);
    }
    for (const member of Object.values(node)) {
      if (typeof member === 'object' && member !== null) open.push(member as object);
    }
  }
}

/** What an evaluation came to. Messages name codes and places, never values. */
function outputOf(evaluation: Evaluation): string {
  switch (evaluation.kind) {
    case 'value':
      return evaluation.text;
    case 'none':
      throw new TemplateError('The expression gives no value for this event.');
    case 'no_json':
      throw new TemplateError('The expression gives a function or an endless number, which is not JSON.');
    case 'failed':
      throw new TemplateError(
        `The expression failed for this event${placeOf(evaluation.code, evaluation.position)}.`,
      );
    case 'limit':
      throw new TemplateError(EXPRESSION_LIMITS[evaluation.limit]);
  }
}

/** Codes such as T2001 are JSONata's own. */
function placeOf(code: unknown, position: unknown): string {
  const named = typeof code === 'string' && /^[A-Z]\d{4}$/.test(code) ? ` (${code})` : '';
  return typeof position === 'number' ? ` at character ${position}${named}` : named;
}
