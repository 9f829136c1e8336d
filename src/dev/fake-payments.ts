import { PaymentsLedger, type LedgerAuthorization, type LedgerOutcome } from '../gateways/payments-ledger';
import type { LedgerFact } from '../gateways/ledger-fact';
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
import { FaultPlan } from './fault-plan';
import { IdempotentAnswers, requestFingerprint, type StoredAnswer } from './idempotent-answers';
import {
  answerBefore,
  answerTo,
  authorizationDocument,
  failure,
  oneMore,
  spoil,
  webhookOf,
  type Answer,
} from './payments-answers';
import { controlSchema, defaultSettings, type PaymentFault, type PaymentSettings } from './payments-control';
import { actAsCustomer } from './payments-customer';
import { parseOperation, type Operation, type ParsedRequest } from './payments-operations';
import { destinationIn, SignedWebhooks, withoutSecrets, type WebhookDestination } from './signed-webhooks';

/** How long `tok_timeout_then_success` keeps its caller waiting. Longer than any time-out of ours. */
const LATE_MS = 30_000;

/**
 * Default port 4011.
 * `node dist/dev/fake-payments.js --port 4011 --log FILE [--late-ms 30000] [--webhook-url URL] [--webhook-secrets FILE]`
 */
export const FAKE_PAYMENTS: FakeCommand = {
  name: 'fake-payments',
  defaultPort: 4011,
  numbers: { 'late-ms': LATE_MS },
  webhooks: true,
};

export interface FakePaymentsOptions extends FakeServerOptions, WebhookDestination {
  /** Milliseconds until `tok_timeout_then_success` is answered. Default 30,000. */
  lateMs?: number;
}

/** Starts the fake in this process. Money and answers in its log are still known. */
export function startFakePayments(options: FakePaymentsOptions): Promise<FakeServer> {
  const { lateMs = LATE_MS } = options;
  const settings = defaultSettings({ lateMs, ...destinationIn(options) });
  return startFakeServer(options, (log) => new FakePayments(log, settings));
}

/** One request that changes something, read. */
interface Asked {
  key: string;
  operation: Operation;
  fingerprint: string;
  origin: string;
}

class FakePayments implements FakeBehaviour {
  readonly #ledger: PaymentsLedger;
  readonly #answers: IdempotentAnswers;
  readonly #webhooks: SignedWebhooks;
  readonly #faults = new FaultPlan<PaymentFault>();
  readonly #late = new Set<NodeJS.Timeout>();
  #settings: PaymentSettings;

  constructor(
    readonly log: EvidenceLog,
    readonly defaults: PaymentSettings,
  ) {
    const facts = log.entries();
    this.#ledger = new PaymentsLedger(facts, { now: () => new Date() });
    this.#answers = new IdempotentAnswers(facts);
    this.#settings = { ...defaults };
    this.#webhooks = new SignedWebhooks(log, () => this.#settings);
  }

  control(document: unknown): unknown {
    const { reset, faults, forgetKeys, ...settings } = controlSchema.parse(document);
    if (reset) {
      this.#faults.clear();
      this.#settings = { ...this.defaults };
    }
    if (forgetKeys) this.log.append(this.#answers.forget());
    this.#faults.add(faults ?? []);
    Object.assign(this.#settings, settings);
    const shown = withoutSecrets(this.#settings) as object;
    return { ...shown, faults: this.#faults.report(), late: this.#late.size };
  }

  evidenceOfControl(document: unknown): unknown {
    return withoutSecrets(document);
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
    const acted = actAsCustomer(request, this.#ledger);
    if (acted !== null) {
      this.log.append(...acted.facts);
      void this.#tell(acted.facts);
      return acted.answer;
    }
    if (this.#settings.down) return failure(503, 'unavailable');

    const parsed = parseOperation(request);
    if (parsed.kind === 'bad') return failure(parsed.status, parsed.code, parsed.message);
    if (parsed.kind === 'look_up' || parsed.kind === 'list') return this.#lookUp(parsed);
    if (typeof key !== 'string' || key === '') return failure(400, 'idempotency_key_missing');
    const { operation } = parsed;
    const fingerprint = requestFingerprint(request.path, operation);
    return this.#runOnce({ key, operation, fingerprint, origin: `http://${request.headers.host ?? ''}` });
  }

  close(): void {
    for (const timer of this.#late) clearTimeout(timer);
    this.#webhooks.close();
  }

  #lookUp(query: Extract<ParsedRequest, { kind: 'look_up' | 'list' }>): FakeAnswer {
    const { answer, first } = lookUp(this.#ledger, query);
    const fault = this.#takeFault('find', first);
    const before = fault && answerBefore(fault);
    if (before) return before;
    return fault ? spoil(fault, answer) : { ...answer, delayMs: this.#settings.answerDelayMs };
  }

  /** The Idempotency-Key protocol around one operation. */
  #runOnce(asked: Asked): FakeAnswer {
    const { key, operation, fingerprint } = asked;
    const state = this.#answers.look(key, fingerprint, this.#settings.keyLifetimeMs);
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
    if (fault?.action === 'late') return this.#runLater(asked, fault);
    const { answer, told } = this.#execute(asked, fault);
    const waitFor = this.#settings.webhooks.early ? { waitFor: told } : {};
    return { ...(fault ? spoil(fault, answer) : this.#answerInTime(asked, answer)), ...waitFor };
  }

  /** Does the operation and writes what it changed and its answer in one write, before anybody is told. */
  #execute(asked: Asked, fault: PaymentFault | undefined): { answer: Answer; told: Promise<void> } {
    const { key, operation, fingerprint, origin } = asked;
    const failsForGood = operation.name === 'authorize' && operation.body.method === 'tok_error';
    const outcome = failsForGood ? null : this.#apply(operation);
    const answer = outcome === null ? failure(500, 'api_error') : answerTo(operation, outcome, origin);
    const stored: StoredAnswer = { fingerprint, status: answer.status, body: answer.body };
    if (fault?.action === '500_after' && fault.stored !== false) {
      Object.assign(stored, { status: 500, body: failure(500, 'api_error').body });
    } else if (fault?.action === 'amount_mismatch') {
      stored.body = oneMore(answer.body);
    }
    const facts = outcome?.fact ? [{ ...outcome.fact, idempotencyKey: key }] : [];
    this.log.append(...facts, this.#answers.store(key, stored));
    return { answer, told: this.#tell(facts) };
  }

  /** The caller hears nothing, the key is in use, and nothing can be found until it happens. */
  #runLater(asked: Asked, fault: PaymentFault): FakeAnswer {
    this.#answers.begin(asked.key, asked.fingerprint);
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      this.#execute(asked, undefined);
      this.#answers.finish(asked.key);
    }, fault.delayMs ?? this.#settings.lateMs);
    this.#late.add(timer);
    return { kind: 'silence' };
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

  #answerInTime({ key, operation, fingerprint }: Asked, answer: Answer): FakeAnswer {
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

  async #tell(facts: LedgerFact[]): Promise<void> {
    for (const event of facts.map(webhookOf)) if (event !== null) await this.#webhooks.post(event);
  }

  #subjectOf(operation: Operation): { paymentId: string; orderId: string } | undefined {
    if (operation.name === 'authorize') return operation.body;
    if (operation.name === 'refund') return this.#ledger.findByCapture(operation.captureId);
    return this.#ledger.find(operation.authorizationId);
  }

  #takeFault(
    operation: PaymentFault['operation'],
    subject: { paymentId: string; orderId: string } | undefined,
  ): PaymentFault | undefined {
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

/** What is known, and the first of it, which a fault can be aimed at. */
function lookUp(
  ledger: PaymentsLedger,
  query: Extract<ParsedRequest, { kind: 'look_up' | 'list' }>,
): { answer: Answer; first: LedgerAuthorization | undefined } {
  if (query.kind === 'list') {
    const all = ledger.listSince(query.createdSince);
    const from = query.after === null ? 0 : all.findIndex(({ id }) => id === query.after) + 1;
    const page = all.slice(from, from + query.limit);
    const next = from + query.limit < all.length ? (page.at(-1)?.id ?? null) : null;
    return { answer: jsonAnswer(200, { data: page.map(authorizationDocument), next }), first: page[0] };
  }
  if ('paymentId' in query) {
    const found = ledger.findByPayment(query.paymentId);
    return { answer: jsonAnswer(200, { data: found.map(authorizationDocument) }), first: found[0] };
  }
  const single = ledger.find(query.authorizationId);
  const answer = single
    ? jsonAnswer(200, authorizationDocument(single))
    : failure(404, 'authorization_not_found');
  return { answer, first: single };
}

if (require.main === module) {
  void runFakeCommand(FAKE_PAYMENTS, ({ numbers, ...options }) =>
    startFakePayments({ ...options, lateMs: numbers['late-ms'] ?? LATE_MS }),
  );
}
