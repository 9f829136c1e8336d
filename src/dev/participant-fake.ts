import { z } from 'zod';
import type { LedgerFact } from '../gateways/ledger-fact';
import type { EvidenceLog } from './evidence-log';
import { jsonAnswer, parseJson, type FakeAnswer, type FakeBehaviour, type FakeRequest } from './fake-server';
import { FaultPlan, commonSettings, faultTiming } from './fault-plan';
import {
  DEFAULT_WEBHOOK_SETTINGS,
  SignedWebhooks,
  webhookSettings,
  withoutSecrets,
  type WebhookDestination,
  type WebhookEvent,
  type WebhookSettings,
} from './signed-webhooks';

type Answer = Extract<FakeAnswer, { kind: 'answer' }>;

/** What an operation came to. */
export interface ParticipantOutcome {
  answer: Answer;
  fact: LedgerFact | null;
}

/** A call, read: what it asks for, about what, and how it is carried out. */
export interface ParticipantOperation {
  name: string;
  /** Ids that a fault can be aimed at. */
  subject: Record<string, string>;
  /** @param refusal - the code of a planned refusal for good; null for none */
  run(refusal: string | null): ParticipantOutcome;
}

/** What is special about one participant. */
export interface ParticipantRules {
  /** Names of its operations, look-ups included. */
  operations: readonly [string, ...string[]];
  /** The operation, or the answer to a call that is none. */
  parse(request: FakeRequest): ParticipantOperation | Answer;
  /** The answer with something else in place of what was asked for. */
  contradict(body: Record<string, unknown>): Record<string, unknown>;
  /** What the outside is told of a fact, if anything. */
  webhookOf?(fact: LedgerFact): WebhookEvent | null;
}

const ACTIONS = [
  '429',
  '500_before',
  '500_after',
  'cut_before',
  'cut_after',
  'timeout_after',
  'late',
  'mismatch',
  'refuse',
] as const;

/** A control document. Its operations are the participant's own, so that a misspelt fault is refused. */
function controlSchemaOf(operations: ParticipantRules['operations']) {
  const fault = z.strictObject({
    /** Without one it hits every operation, look-ups included. */
    operation: z.enum(operations).optional(),
    /** Ids of the operation, such as `{ "orderId": "…" }`. */
    match: z.record(z.string(), z.string()).optional(),
    /**
     * `_before`: nothing happened. `_after`: it happened, and the answer is lost. `late`: never answered, and it happens
     * `delayMs` (1,000) later. `mismatch`: it happened, and the answer is about something else. `refuse`: no, for good.
     */
    action: z.enum(ACTIONS),
    /** Of a refusal. */
    code: z
      .string()
      .regex(/^[a-z0-9_]{1,64}$/)
      .default('refused'),
    /** Sent as Retry-After with a 429. */
    retryAfterSeconds: z.int().nonnegative().optional(),
    ...faultTiming,
  });
  return z.strictObject({ ...commonSettings, ...webhookSettings, faults: z.array(fault).optional() });
}

type ControlSchema = ReturnType<typeof controlSchemaOf>;
type Fault = NonNullable<z.infer<ControlSchema>['faults']>[number];
type Settings = WebhookSettings & { down: boolean; answerDelayMs: number };

/** How late `late` is when nothing else is said. */
const LATE_MS = 1_000;

/** What the fake carrier, points ledger and cart have in common: evidence, faults, webhooks. */
export class ParticipantFake implements FakeBehaviour {
  readonly webhooks: SignedWebhooks;
  readonly #faults = new FaultPlan<Fault>();
  readonly #late = new Set<NodeJS.Timeout>();
  readonly #schema: ControlSchema;
  readonly #defaults: Settings;
  #settings: Settings;

  constructor(
    readonly log: EvidenceLog,
    readonly rules: ParticipantRules,
    destination: WebhookDestination = {},
  ) {
    this.#schema = controlSchemaOf(rules.operations);
    this.#defaults = { down: false, answerDelayMs: 0, ...DEFAULT_WEBHOOK_SETTINGS, ...destination };
    this.#settings = { ...this.#defaults };
    this.webhooks = new SignedWebhooks(log, () => this.#settings);
  }

  control(document: unknown): unknown {
    const { reset, faults, ...settings } = this.#schema.parse(document);
    if (reset) {
      this.#faults.clear();
      this.#settings = { ...this.#defaults };
    }
    this.#faults.add(faults ?? []);
    Object.assign(this.#settings, settings);
    const shown = withoutSecrets(this.#settings) as object;
    return { ...shown, faults: this.#faults.report(), late: this.#late.size };
  }

  evidenceOfControl(document: unknown): unknown {
    return withoutSecrets(document);
  }

  handle(request: FakeRequest): FakeAnswer {
    const { method, path } = request;
    this.log.append({ type: 'request', method, path, body: parseJson(request.body) ?? null });
    if (this.#settings.down) return failure(503, 'unavailable');
    const operation = this.rules.parse(request);
    if ('kind' in operation) return operation;

    const fault = this.#takeFault(operation);
    const before = fault && answerBefore(fault);
    if (before) return before;
    if (fault?.action === 'late') {
      this.#runLater(operation, fault);
      return { kind: 'silence' };
    }
    const { answer, told } = this.#run(operation, fault?.action === 'refuse' ? fault.code : null);
    const waitFor = this.#settings.webhooks.early ? { waitFor: told } : {};
    if (fault) return { ...spoil(fault, answer, this.rules), ...waitFor };
    return { ...answer, delayMs: this.#settings.answerDelayMs, ...waitFor };
  }

  /** What the participant does on its own. Its fact is in the log, and its webhook on its way, when this returns. */
  record(fact: LedgerFact): Promise<void> {
    this.log.append(fact);
    const event = this.rules.webhookOf?.(fact) ?? null;
    return event === null ? Promise.resolve() : this.webhooks.post(event);
  }

  close(): void {
    for (const timer of this.#late) clearTimeout(timer);
    this.webhooks.close();
  }

  #run(operation: ParticipantOperation, refusal: string | null): { answer: Answer; told: Promise<void> } {
    const { answer, fact } = operation.run(refusal);
    return { answer, told: fact === null ? Promise.resolve() : this.record(fact) };
  }

  #runLater(operation: ParticipantOperation, fault: Fault): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      this.#run(operation, null);
    }, fault.delayMs ?? LATE_MS);
    this.#late.add(timer);
  }

  #takeFault({ name, subject }: ParticipantOperation): Fault | undefined {
    const fault = this.#faults.take(({ operation, match }) => {
      if (operation !== undefined && operation !== name) return false;
      return Object.entries(match ?? {}).every(([member, value]) => subject[member] === value);
    });
    if (fault) this.log.append({ type: 'fault', action: fault.action, operation: name });
    return fault;
  }
}

export function failure(status: number, code: string, message = code): Answer {
  return jsonAnswer(status, { error: { code, message } });
}

/** One part of a path, decoded; null when it is not encoded as it should be. */
export function decodePart(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The answer of a fault that strikes before anything is done; null for the others. */
function answerBefore(fault: Fault): FakeAnswer | null {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  if (fault.action === '500_before') return { ...failure(500, 'api_error'), ...delay };
  if (fault.action === 'cut_before') return { kind: 'cut', ...delay };
  if (fault.action !== '429') return null;
  const { retryAfterSeconds } = fault;
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  return { ...failure(429, 'rate_limited'), headers, ...delay };
}

/** What becomes of an answer under a fault that strikes after everything is done. */
function spoil(fault: Fault, answer: Answer, rules: ParticipantRules): FakeAnswer {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '500_after':
      return { ...failure(500, 'api_error'), ...delay };
    case 'timeout_after':
      return { kind: 'silence' };
    case 'cut_after':
      return { kind: 'cut', ...delay };
    case 'mismatch':
      return { ...answer, body: rules.contradict(answer.body as Record<string, unknown>), ...delay };
    default:
      return { ...answer, ...delay };
  }
}
