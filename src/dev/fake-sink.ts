import { z } from 'zod';
import type { EvidenceLog } from './evidence-log';
import { runFakeCommand, type FakeCommand } from './fake-command';
import {
  jsonAnswer,
  startFakeServer,
  type FakeAnswer,
  type FakeBehaviour,
  type FakeRequest,
  type FakeServer,
  type FakeServerOptions,
} from './fake-server';
import { FaultPlan, commonSettings, faultTiming } from './fault-plan';

/** Default port 4012. `node dist/dev/fake-sink.js --port 4012 --log FILE` */
export const FAKE_SINK: FakeCommand = { name: 'fake-sink', defaultPort: 4012 };

/** What can go wrong with one delivery. Without a path it hits every path. All of them have read the whole request. */
const faultSchema = z
  .strictObject({
    path: z.string().startsWith('/').optional(),
    /** Answers with `status` unless it says otherwise. */
    action: z.enum(['status', 'cut_after_accept', 'timeout_after_accept', 'redirect']).default('status'),
    status: z.int().min(200).max(599).optional(),
    /** Sent with the answer, for instance Retry-After. */
    headers: z.record(z.string(), z.string()).optional(),
    /** Where a redirect leads. */
    location: z.string().optional(),
    ...faultTiming,
  })
  .refine((fault) => fault.action !== 'status' || fault.status !== undefined, 'status is missing')
  .refine((fault) => fault.action !== 'redirect' || fault.location !== undefined, 'location is missing');

const controlSchema = z.strictObject({
  ...commonSettings,
  /** The same as answerDelayMs. */
  delayMs: z.int().nonnegative().optional(),
  faults: z.array(faultSchema).optional(),
});

type Fault = z.infer<typeof faultSchema>;

const DEFAULT_SETTINGS = { down: false, answerDelayMs: 0 };
const ACCEPTED_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Starts a webhook sink in this process: takes anything on any path and answers 200 `{}`. One log line for each
 * request: `{type:'received', at, method, path, headers, body, answer}`, where `answer` is the status it was given, or
 * `cut` or `timeout`.
 */
export function startFakeSink(options: FakeServerOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => new FakeSink(log));
}

class FakeSink implements FakeBehaviour {
  readonly #faults = new FaultPlan<Fault>();
  #settings = { ...DEFAULT_SETTINGS };

  constructor(readonly log: EvidenceLog) {}

  control(document: unknown): unknown {
    const { reset, faults, delayMs, ...settings } = controlSchema.parse(document);
    if (reset) {
      this.#faults.clear();
      this.#settings = { ...DEFAULT_SETTINGS };
    }
    this.#faults.add(faults ?? []);
    Object.assign(this.#settings, delayMs === undefined ? {} : { answerDelayMs: delayMs }, settings);
    return { ...this.#settings, faults: this.#faults.report() };
  }

  handle(request: FakeRequest): FakeAnswer {
    const answer = this.#answer(request);
    this.log.append({
      type: 'received',
      method: request.method,
      path: request.path,
      query: Object.fromEntries(request.query),
      headers: request.headers,
      body: request.body,
      answer: answer.kind === 'answer' ? answer.status : answer.kind === 'cut' ? 'cut' : 'timeout',
    });
    return answer;
  }

  #answer(request: FakeRequest): FakeAnswer {
    if (!ACCEPTED_METHODS.has(request.method)) return jsonAnswer(405, {}, { allow: 'POST, PUT, PATCH' });
    if (this.#settings.down) return jsonAnswer(503, {});
    const fault = this.#faults.take(({ path }) => path === undefined || path === request.path);
    if (fault) return faultyAnswer(fault, this.#settings.answerDelayMs);
    return { ...jsonAnswer(200, {}), delayMs: this.#settings.answerDelayMs };
  }
}

function faultyAnswer(fault: Fault, answerDelayMs: number): FakeAnswer {
  const delayMs = fault.delayMs ?? answerDelayMs;
  switch (fault.action) {
    case 'status':
      return { ...jsonAnswer(fault.status ?? 500, {}, fault.headers), delayMs };
    case 'redirect':
      return {
        ...jsonAnswer(fault.status ?? 302, {}, { ...fault.headers, location: fault.location ?? '/' }),
        delayMs,
      };
    case 'cut_after_accept':
      return { kind: 'cut', delayMs };
    case 'timeout_after_accept':
      return { kind: 'silence' };
  }
}

if (require.main === module) void runFakeCommand(FAKE_SINK, startFakeSink);
