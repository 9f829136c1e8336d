import { spawn, type ChildProcess } from 'node:child_process';
import { OUTPUT_BYTES_MAX } from './compiled';
import {
  evaluateInChild,
  type ChildSettings,
  type Evaluation,
  type EvaluationRequest,
  type Limit,
} from './jsonata-child';

/** Evaluations of parts of an expression: mapping 1,000 lines of an order takes some 10,000. The same on every machine. */
const STEPS_MAX = 100_000;
/** Nested evaluations; programs written by people stay below 50. */
const DEPTH_MAX = 500;
/** Entries of one sequence: more than fit into 256 KB of output. */
const SEQUENCE_MAX = 100_000;
/** For what steps do not count: regular expressions, long texts. Sound expressions take a few milliseconds. */
const TIME_MS_MAX = 2_000;
/** An event and its output have 256 KB each, and 100,000 steps leave some 30 MB behind. Megabytes. */
const MEMORY_MB_MAX = 96;
/** A process starts within 0.1 s; on a machine that is busy it takes longer. */
const START_MS_MAX = 10_000;

/** What is told of an expression that was stopped. */
export const EXPRESSION_LIMITS: Readonly<Record<Limit, string>> = {
  steps: `The expression takes more than ${STEPS_MAX} steps for this event.`,
  depth: `The expression nests deeper than ${DEPTH_MAX} for this event.`,
  sequence: `The expression makes a list of more than ${SEQUENCE_MAX} entries for this event.`,
  time: `The expression takes longer than ${TIME_MS_MAX} ms for this event.`,
  memory: `The expression needs more than ${MEMORY_MB_MAX} MB for this event.`,
  output: `The transformer's output is larger than ${OUTPUT_BYTES_MAX} bytes.`,
};

/**
 * Evaluates expressions one after the other in a process of their own. JSONata's guards are asked between steps only: a
 * regular expression or a huge text goes past them and would hold the event loop. A worker thread can be stopped there,
 * but when its memory is used up at once, V8 ends the whole process (measured: `$pad("", 50000000, "ab")`). A child can
 * be killed at any point and takes nobody with it; the next expression gets a new one. It never keeps this process alive
 * and ends with it, so nothing has to be closed.
 */
export class JsonataRunner {
  readonly #modulePath: string;
  #child: ChildProcess | undefined;
  /** Settles when everything that was asked before is done. Callers are activities and requests, which are bounded. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param modulePath - where the package was found: a program without a file would look elsewhere */
  constructor(modulePath: string) {
    this.#modulePath = modulePath;
  }

  /** @throws Error when no child can be started or another hand ended it: trying again later may help */
  evaluate(request: EvaluationRequest): Promise<Evaluation> {
    const evaluation = this.#last.then(() => this.#evaluateNow(request));
    this.#last = evaluation.catch(() => undefined);
    return evaluation;
  }

  async #evaluateNow(request: EvaluationRequest): Promise<Evaluation> {
    const child = (this.#child ??= await this.#start());
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(outOfTime);
        child.off('message', onMessage).off('exit', onExit);
      };
      const onMessage = (evaluation: Evaluation): void => {
        settle();
        resolve(evaluation);
      };
      const onExit = (code: number | null, signal: string | null): void => {
        settle();
        if (isOutOfMemory(code, signal)) resolve({ kind: 'limit', limit: 'memory' });
        else reject(new Error(`the process for JSONata ended: ${signal ?? code}`));
      };
      const outOfTime = setTimeout(() => {
        settle();
        this.#child = undefined;
        child.kill('SIGKILL');
        resolve({ kind: 'limit', limit: 'time' });
      }, TIME_MS_MAX);
      child.once('message', onMessage).once('exit', onExit);
      // What cannot be written is told by 'exit'.
      child.send(request, () => undefined);
    });
  }

  #start(): Promise<ChildProcess> {
    const settings: ChildSettings = {
      modulePath: this.#modulePath,
      parent: process.pid,
      limits: { steps: STEPS_MAX, depth: DEPTH_MAX, sequence: SEQUENCE_MAX, outputBytes: OUTPUT_BYTES_MAX },
    };
    const program = `(${evaluateInChild.toString()})(require, ${JSON.stringify(settings)})`;
    const flags = [`--max-old-space-size=${MEMORY_MB_MAX}`, '--disallow-code-generation-from-strings'];
    const child = spawn(process.execPath, [...flags, '--eval', program], {
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => {
        clearTimeout(outOfTime);
        child.kill('SIGKILL');
        reject(new Error('the process for JSONata did not start', { cause }));
      };
      const outOfTime = setTimeout(fail, START_MS_MAX, 'timeout');
      const forget = (): void => {
        if (this.#child === child) this.#child = undefined;
      };
      // Without a listener an error would end this process.
      child.once('error', fail).on('error', () => undefined);
      child.once('exit', fail).once('exit', forget);
      child.once('message', () => {
        clearTimeout(outOfTime);
        child.off('exit', fail).off('error', fail);
        child.unref();
        child.channel?.unref();
        resolve(child);
      });
    });
  }
}

/** V8 aborts: a signal, or where a shell or another system tells it, 128 + 6. */
function isOutOfMemory(code: number | null, signal: string | null): boolean {
  return signal === 'SIGABRT' || code === 134;
}
