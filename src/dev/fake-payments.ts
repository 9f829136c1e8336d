import { z } from 'zod';
import type { EvidenceLog } from './evidence-log';
import { runFakeCommand, type FakeCommand } from './fake-command';
import {
  jsonAnswer,
  parseJson,
  startFakeServer,
  type FakeAnswer,
  type FakeBehaviour,
  type FakeRequest,
  type FakeServer,
  type FakeServerOptions,
} from './fake-server';
import { FaultPlan, commonSettings, faultTiming } from './fault-plan';
import { IdempotentAnswers, requestFingerprint, type StoredAnswer } from './idempotent-answers';
import { parseOperation, type Operation } from './payments-operations';
import { PaymentsLedger, type LedgerAuthorization, type LedgerOutcome } from './payments-ledger';

/** How long `tok_timeout_then_success` keeps its caller waiting. Longer than any time-out of ours. */
const LATE_MS = 30_000;

/** Default port 4011. `node dist/dev/fake-payments.js --port 4011 --log FILE [--late-ms 30000]` */
export const FAKE_PAYMENTS: FakeCommand = {
  name: 'fake-payments',
  defaultPort: 4011,
  numbers: { 'late-ms': LATE_MS },
};

const faultSchema = z.strictObject({
  /** Without one it hits every operation, look-ups included. */
  operation: z.enum(['authorize', 'capture', 'void', 'refund', 'find']).optional(),
  match: z.strictObject({ paymentId: z.string().optional(), orderId: z.string().optional() }).optional(),
  /**
   * `_before`: nothing happened. `_after`: it happened, and the answer is lost or wrong. `amount_mismatch`: it
   * happened as asked, and the answer names one minor unit more.
   */
  action: z.enum([
    '429',
    '500_before',
    '500_after',
    'cut_before',
    'timeout_after',
    'cut_after',
    'amount_mismatch',
  ]),
  /** Whether a 500 becomes the key's answer for good. Default: after yes, before no. */
  stored: z.boolean().optional(),
  /** Sent as Retry-After with a 429. */
  retryAfterSeconds: z.int().nonnegative().optional(),
  ...faultTiming,
});

const controlSchema = z.strictObject({
  ...commonSettings,
  /** How late `tok_timeout_then_success` is answered. */
  lateMs: z.int().nonnegative().optional(),
  faults: z.array(faultSchema).optional(),
});

type Fault = z.infer<typeof faultSchema>;
type Answer = Extract<FakeAnswer, { kind: 'answer' }>;

export interface FakePaymentsOptions extends FakeServerOptions {
  /** Milliseconds until `tok_timeout_then_success` is answered. Default 30,000. */
  lateMs?: number;
}

/** Starts the fake in this process. Money and answers in its log are still known. */
export function startFakePayments(options: FakePaymentsOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => new FakePayments(log, options.lateMs ?? LATE_MS));
}

class FakePayments implements FakeBehaviour {
  readonly #ledger: PaymentsLedger;
  readonly #answers: IdempotentAnswers;
  readonly #faults = new FaultPlan<Fault>();
  readonly #defaults: { down: boolean; answerDelayMs: number; lateMs: number };
  #settings: { down: boolean; answerDelayMs: number; lateMs: number };

  constructor(
    readonly log: EvidenceLog,
    lateMs: number,
  ) {
    const facts = log.entries();
    this.#ledger = new PaymentsLedger(facts);
    this.#answers = new IdempotentAnswers(facts);
    this.#defaults = { down: false, answerDelayMs: 0, lateMs };
    this.#settings = { ...this.#defaults };
  }

  control(document: unknown): unknown {
    const { reset, faults, ...settings } = controlSchema.parse(document);
    if (reset) {
      this.#faults.clear();
      this.#settings = { ...this.#defaults };
    }
    this.#faults.add(faults ?? []);
    Object.assign(this.#settings, settings);
    return { ...this.#settings, faults: this.#faults.report() };
  }

  handle(request: FakeRequest): FakeAnswer {
    const key = request.headers['idempotency-key'];
    this.log.append({
      type: 'request',
      method: request.method,
      path: request.path,
      query: Object.fromEntries(request.query),
      idempotencyKey: key ?? null,
      body: parseJson(request.body) ?? null,
    });
    if (this.#settings.down) return failure(503, 'unavailable');

    const parsed = parseOperation(request);
    if (parsed.kind === 'bad') return failure(parsed.status, parsed.code, parsed.message);
    if (parsed.kind === 'look_up') return this.#lookUp(parsed);
    if (typeof key !== 'string' || key === '') return failure(400, 'idempotency_key_missing');
    return this.#runOnce(key, parsed.operation, requestFingerprint(request.path, parsed.operation));
  }

  #lookUp(query: { paymentId: string } | { authorizationId: string }): FakeAnswer {
    const found =
      'paymentId' in query
        ? this.#ledger.findByPayment(query.paymentId)
        : [this.#ledger.find(query.authorizationId)].filter((known) => known !== undefined);
    const fault = this.#takeFault('find', found[0]);
    const before = fault && answerBefore(fault);
    if (before) return before;
    const single = found[0];
    const answer =
      'paymentId' in query
        ? jsonAnswer(200, { data: found.map(authorizationDocument) })
        : single
          ? jsonAnswer(200, authorizationDocument(single))
          : failure(404, 'authorization_not_found');
    return fault ? spoil(fault, answer) : { ...answer, delayMs: this.#settings.answerDelayMs };
  }

  /** The Idempotency-Key protocol around one operation. */
  #runOnce(key: string, operation: Operation, fingerprint: string): FakeAnswer {
    const state = this.#answers.look(key, fingerprint);
    if (state.kind === 'reused') return failure(422, 'idempotency_key_reused');
    if (state.kind === 'in_use') return failure(409, 'idempotency_key_in_use');

    // Faults of the network hit repeats too, so a planned fault is taken before the stored answer is looked at.
    const fault = this.#takeFault(operation.name, this.#subjectOf(operation));
    const before = fault && answerBefore(fault);
    if (before) {
      if (fault.stored && before.kind === 'answer' && state.kind === 'new') {
        this.log.append(this.#answers.store(key, { fingerprint, status: before.status, body: before.body }));
      }
      return before;
    }
    if (state.kind === 'stored') {
      const { status, body } = state.answer;
      const replay = jsonAnswer(status, body, { 'idempotent-replayed': 'true' });
      return fault ? spoil(fault, replay) : { ...replay, delayMs: this.#settings.answerDelayMs };
    }
    const answer = this.#execute(key, operation, fingerprint, fault);
    return fault ? spoil(fault, answer) : this.#answerInTime(key, fingerprint, operation, answer);
  }

  /** Does the operation and writes what it changed and its answer in one write, before anybody is told. */
  #execute(key: string, operation: Operation, fingerprint: string, fault: Fault | undefined): Answer {
    const failsForGood = operation.name === 'authorize' && operation.body.method === 'tok_error';
    const outcome = failsForGood ? null : this.#apply(operation);
    const answer = outcome === null ? failure(500, 'api_error') : answerTo(operation, outcome);
    const stored: StoredAnswer = { fingerprint, status: answer.status, body: answer.body };
    if (fault?.action === '500_after' && fault.stored !== false) {
      Object.assign(stored, { status: 500, body: failure(500, 'api_error').body });
    } else if (fault?.action === 'amount_mismatch') {
      stored.body = oneMore(answer.body);
    }
    const fact = outcome?.fact ? [{ ...outcome.fact, idempotencyKey: key }] : [];
    this.log.append(...fact, this.#answers.store(key, stored));
    return answer;
  }

  #apply(operation: Operation): LedgerOutcome {
    switch (operation.name) {
      case 'authorize':
        return this.#ledger.authorize(operation.body);
      case 'capture':
        return this.#ledger.capture(operation.authorizationId, operation.body);
      case 'void':
        return this.#ledger.void(operation.authorizationId);
      case 'refund':
        return this.#ledger.refund(operation.captureId, operation.body);
    }
  }

  #answerInTime(key: string, fingerprint: string, operation: Operation, answer: Answer): FakeAnswer {
    const isLate = operation.name === 'authorize' && operation.body.method === 'tok_timeout_then_success';
    const delayMs = isLate ? this.#settings.lateMs : this.#settings.answerDelayMs;
    if (delayMs === 0) return answer;
    this.#answers.begin(key, fingerprint);
    return {
      ...answer,
      delayMs,
      beforeAnswer: () => {
        this.#answers.finish(key);
      },
    };
  }

  #subjectOf(operation: Operation): { paymentId: string; orderId: string } | undefined {
    if (operation.name === 'authorize') return operation.body;
    if (operation.name === 'refund') return this.#ledger.findByCapture(operation.captureId);
    return this.#ledger.find(operation.authorizationId);
  }

  #takeFault(
    operation: Fault['operation'],
    subject: { paymentId: string; orderId: string } | undefined,
  ): Fault | undefined {
    const fault = this.#faults.take((planned) => {
      if (planned.operation !== undefined && planned.operation !== operation) return false;
      const { paymentId, orderId } = planned.match ?? {};
      if (paymentId !== undefined && paymentId !== subject?.paymentId) return false;
      return orderId === undefined || orderId === subject?.orderId;
    });
    if (fault) this.log.append({ type: 'fault', action: fault.action, operation });
    return fault;
  }
}

/** The answer of a fault that strikes before anything is done; null for the others. */
function answerBefore(fault: Fault): FakeAnswer | null {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  const { retryAfterSeconds } = fault;
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  if (fault.action === '429') return { ...failure(429, 'rate_limited'), headers, ...delay };
  if (fault.action === '500_before') return { ...failure(500, 'api_error'), ...delay };
  return fault.action === 'cut_before' ? { kind: 'cut', ...delay } : null;
}

/** What becomes of a good answer under a fault that strikes after everything is done. */
function spoil(fault: Fault, answer: Answer): FakeAnswer {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '500_after':
      return { ...failure(500, 'api_error'), ...delay };
    case 'timeout_after':
      return { kind: 'silence' };
    case 'cut_after':
      return { kind: 'cut', ...delay };
    case 'amount_mismatch':
      return { ...answer, body: oneMore(answer.body), ...delay };
    default:
      throw new TypeError(`${fault.action} strikes before`);
  }
}

function oneMore(body: unknown): unknown {
  const document = body as { amountMinor?: number };
  return document.amountMinor === undefined ? body : { ...document, amountMinor: document.amountMinor + 1 };
}

function answerTo(operation: Operation, outcome: LedgerOutcome): Answer {
  if (outcome.kind === 'refused') {
    const { authorization } = outcome;
    const about = authorization ? { authorization: authorizationDocument(authorization) } : {};
    return jsonAnswer(outcome.status, { error: { code: outcome.code, message: outcome.code, ...about } });
  }
  const { authorization, refund } = outcome;
  const { currency } = authorization;
  if (refund) {
    const { id, refundId, amountMinor } = refund;
    const captureId = authorization.captureId;
    return jsonAnswer(200, { id, refundId, captureId, status: 'refunded', amountMinor, currency });
  }
  if (operation.name !== 'capture') return jsonAnswer(200, authorizationDocument(authorization));
  const amountMinor = authorization.capturedMinor;
  const authorizationId = authorization.id;
  return jsonAnswer(200, {
    id: authorization.captureId,
    authorizationId,
    status: 'captured',
    amountMinor,
    currency,
  });
}

/** The authorization as the API shows it: everything but the method. */
function authorizationDocument({ method: _method, ...shown }: LedgerAuthorization): Record<string, unknown> {
  return { ...shown, refunds: shown.refunds.map((refund) => ({ ...refund, currency: shown.currency })) };
}

function failure(status: number, code: string, message = code): Answer {
  return jsonAnswer(status, { error: { code, message } });
}

if (require.main === module) {
  void runFakeCommand(FAKE_PAYMENTS, ({ numbers, ...options }) =>
    startFakePayments({ ...options, lateMs: numbers['late-ms'] ?? LATE_MS }),
  );
}
