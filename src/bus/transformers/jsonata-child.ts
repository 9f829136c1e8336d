import type * as threads from 'node:worker_threads';
import type jsonata from 'jsonata';

export type Limit = 'steps' | 'depth' | 'sequence' | 'time' | 'memory' | 'output';

export interface EvaluationRequest {
  expression: string;
  input: object;
  /** What `$now()` says. Milliseconds since 1970. */
  at: number;
}

export type Evaluation =
  | { kind: 'value'; text: string }
  /** The result is undefined. */
  | { kind: 'none' }
  /** The result has a function in it, or a number that is not finite. */
  | { kind: 'no_json' }
  | { kind: 'limit'; limit: Limit }
  | { kind: 'failed'; code?: string | undefined; position?: number | undefined };

export interface ChildSettings {
  modulePath: string;
  /** The id of the process that started it: the child never outlives it. */
  parent: number;
  limits: { steps: number; depth: number; sequence: number; outputBytes: number };
}

/**
 * What runs inside of the child. It travels there as its own text, so that it works from TypeScript and from the build
 * alike: it uses nothing of this file but types.
 */
export function evaluateInChild(nodeRequire: (id: string) => unknown, settings: ChildSettings): void {
  const { modulePath, limits, parent } = settings;
  /** Expressions that are kept parsed; more than this share a process rarely. */
  const KEPT_MAX = 200;
  const kept = new Map<string, jsonata.Expression>();
  let steps = 0;
  let at = 0;

  endWithParent();
  const compile = nodeRequire(modulePath) as typeof jsonata;
  fixTimeAndChance();
  // An expression that reached a prototype could leave something there for the next one.
  for (const { prototype } of [Object, Array, Function]) Object.preventExtensions(prototype);
  process.on('message', (request: EvaluationRequest) => {
    steps = 0;
    at = request.at;
    void Promise.resolve()
      .then(() => parsed(request.expression).evaluate(request.input))
      .then(jsonOf)
      .catch(failureOf)
      .then((evaluation) => process.send?.(evaluation));
  });
  process.send?.('ready');

  /** Signals of the terminal go to the whole group: the parent decides. A busy child sees no disconnect, so a thread looks. */
  function endWithParent(): void {
    process.on('disconnect', () => process.exit());
    process.on('SIGINT', () => undefined).on('SIGTERM', () => undefined);
    const { Worker } = nodeRequire('node:worker_threads') as typeof threads;
    const watch = `setInterval(() => process.ppid === ${parent} || process.kill(process.pid, 'SIGKILL'), 1000)`;
    new Worker(watch, { eval: true }).unref();
  }

  /** The same event gives the same bytes: there is no other time than the event's, and nothing is random. */
  function fixTimeAndChance(): void {
    const SystemDate = Date;
    globalThis.Date = class extends SystemDate {
      constructor(...parts: unknown[]) {
        super(...((parts.length === 0 ? [at] : parts) as [number]));
      }
      static override now(): number {
        return at;
      }
    } as DateConstructor;
    Math.random = () => {
      throw new TypeError('nothing is random here');
    };
  }

  function parsed(expression: string): jsonata.Expression {
    const known = kept.get(expression);
    if (known !== undefined) return known;
    const compiled = compile(expression, { stack: limits.depth, sequence: limits.sequence });
    // Called before each step. Source: JSONata's own tests, "timeboxExpression".
    compiled.assign(Symbol.for('jsonata.__evaluate_entry') as unknown as string, () => {
      steps += 1;
      if (steps > limits.steps) throw Object.assign(new Error('too many steps'), { code: 'steps' });
    });
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(expression, compiled);
    return compiled;
  }

  function jsonOf(value: unknown): Evaluation {
    let isJson = true;
    const text = JSON.stringify(value, (_name, member: unknown) => {
      const marks = member as { _jsonata_lambda?: unknown; _jsonata_function?: unknown } | null | undefined;
      const isCallable =
        typeof member === 'function' ||
        (typeof member === 'object' && (marks?._jsonata_lambda ?? marks?._jsonata_function) === true);
      if (isCallable || (typeof member === 'number' && !Number.isFinite(member))) isJson = false;
      return isCallable ? null : member;
    }) as string | undefined;
    if (text === undefined) return { kind: 'none' };
    if (!isJson) return { kind: 'no_json' };
    const fits = text.length <= limits.outputBytes && Buffer.byteLength(text) <= limits.outputBytes;
    return fits ? { kind: 'value', text } : { kind: 'limit', limit: 'output' };
  }

  function failureOf(error: unknown): Evaluation {
    const { code, position } = (error ?? {}) as { code?: unknown; position?: unknown };
    if (code === 'steps') return { kind: 'limit', limit: 'steps' };
    if (error instanceof RangeError) {
      // Either the engine's own stack, or a text or a list that is longer than it can hold.
      return { kind: 'limit', limit: error.message.includes('call stack') ? 'depth' : 'memory' };
    }
    // JSONata's codes: the stack is too deep (D1011), a sequence is too long.
    if (code === 'D1011') return { kind: 'limit', limit: 'depth' };
    if (code === 'D2014' || code === 'D2015') return { kind: 'limit', limit: 'sequence' };
    return {
      kind: 'failed',
      code: typeof code === 'string' ? code : undefined,
      position: typeof position === 'number' ? position : undefined,
    };
  }
}
