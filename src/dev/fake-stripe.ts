import { createHmac } from 'node:crypto';
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
import { FaultPlan } from './fault-plan';
import { IdempotentAnswers, requestFingerprint } from './idempotent-answers';
import { SignedWebhooks, withoutSecrets, type Sign } from './signed-webhooks';
import {
  answerBefore,
  controlSchema,
  DEFAULTS,
  spoil,
  type StripeFault,
  type StripeSettings,
} from './stripe-control';
import {
  actOnIntent,
  cancelIntent,
  captureIntent,
  createIntent,
  createRefund,
  type StripeOutcome,
} from './stripe-endpoints';
import { invalid, missing, stripeError } from './stripe-errors';
import { newStripeId, nowSeconds, StripeLedger, type StripeMetadata } from './stripe-ledger';
import { lookUp } from './stripe-look-ups';

/** Default port 4016. `node dist/dev/fake-stripe.js --port 4016 --log FILE` */
export const FAKE_STRIPE: FakeCommand = { name: 'fake-stripe', defaultPort: 4016 };

/** Source: docs.stripe.com/api/idempotent_requests: pruned after at least 24 hours. */
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1_000;

/** Starts the fake in this process. Objects and answers in its log are still known. */
export function startFakeStripe(options: FakeServerOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => new FakeStripe(log));
}

/** The part of Stripe's API that the driver uses, as it is published. Source: docs.stripe.com/api. */
class FakeStripe implements FakeBehaviour {
  readonly #ledger: StripeLedger;
  readonly #answers: IdempotentAnswers;
  readonly #webhooks: SignedWebhooks;
  readonly #faults = new FaultPlan<StripeFault>();
  #settings: StripeSettings = { ...DEFAULTS };

  constructor(readonly log: EvidenceLog) {
    const facts = log.entries();
    this.#ledger = new StripeLedger(facts);
    this.#answers = new IdempotentAnswers(facts);
    this.#webhooks = new SignedWebhooks(log, () => this.#settings, signStripe);
  }

  control(document: unknown): unknown {
    const { reset, faults, forgetKeys, ...settings } = controlSchema.parse(document);
    if (reset) {
      this.#faults.clear();
      this.#settings = { ...DEFAULTS };
    }
    if (forgetKeys) this.log.append(this.#answers.forget());
    this.#faults.add(faults ?? []);
    Object.assign(this.#settings, settings);
    return { ...(withoutSecrets(this.#settings) as object), faults: this.#faults.report() };
  }

  evidenceOfControl(document: unknown): unknown {
    return withoutSecrets(document);
  }

  handle(request: FakeRequest): FakeAnswer {
    const { method, path, body } = request;
    const key = request.headers['idempotency-key'];
    const version = request.headers['stripe-version'] ?? null;
    this.log.append({ type: 'request', method, path, body, idempotencyKey: key ?? null, version });
    if (path.startsWith('/_customer/')) return this.#act(request);
    if (this.#settings.down) return stripeError(503, { type: 'api_error' });
    if (!/^Bearer (sk|rk)_\w+$/.test(request.headers.authorization ?? '')) {
      return stripeError(401, { type: 'invalid_request_error' });
    }
    const fault = this.#takeFault(request);
    const before = fault && answerBefore(fault);
    if (before) return before;
    if (method === 'GET') {
      const answer = lookUp(this.#ledger, request, this.#settings.searchLagMs);
      return fault ? spoil(fault, answer) : answer;
    }
    if (method !== 'POST') return missing('path', path, 'path');
    return this.#runOnce(request, typeof key === 'string' ? key : null, fault);
  }

  close(): void {
    this.#webhooks.close();
  }

  #runOnce(request: FakeRequest, key: string | null, fault: StripeFault | undefined): FakeAnswer {
    const form = new URLSearchParams(request.body);
    const fingerprint = requestFingerprint(request.path, [...form].sort());
    const state =
      key === null ? { kind: 'new' as const } : this.#answers.look(key, fingerprint, KEY_LIFETIME_MS);
    if (state.kind === 'reused') return stripeError(400, { type: 'idempotency_error' });
    if (state.kind === 'in_use') {
      return stripeError(409, { type: 'idempotency_error', code: 'idempotency_key_in_use' });
    }
    if (state.kind === 'stored') {
      const { status, body } = state.answer;
      const replay = jsonAnswer(status, body, { 'idempotent-replayed': 'true' });
      return fault ? spoil(fault, replay) : replay;
    }
    const outcome = this.#endpoint(request, form, fault);
    if (outcome === null) return invalid('body');
    const { answer, facts, told } = outcome;
    const isFailure = fault?.action === '500_after' || fault?.action === '500_stored';
    const kept = isFailure ? stripeError(500, { type: 'api_error' }) : answer;
    const stored = { fingerprint, status: kept.status, body: kept.body };
    this.log.append(...facts, ...(key === null ? [] : [this.#answers.store(key, stored)]));
    if (told) this.#tell(told);
    return fault ? spoil(fault, answer) : { ...answer, delayMs: this.#settings.answerDelayMs };
  }

  /** @returns null when the parameters fail validation */
  #endpoint(
    request: FakeRequest,
    form: URLSearchParams,
    fault: StripeFault | undefined,
  ): StripeOutcome | null {
    if (fault?.action === '500_stored') {
      return { answer: stripeError(500, { type: 'api_error' }), facts: [] };
    }
    const [, id, action] = /^\/v1\/payment_intents\/(\w+)\/(capture|cancel)$/.exec(request.path) ?? [];
    if (id !== undefined && action === 'cancel') return cancelIntent(this.#ledger, id);
    if (id !== undefined) {
      const amount = wholeOf(form, 'amount_to_capture');
      return Number.isNaN(amount) ? null : captureIntent(this.#ledger, id, amount);
    }
    const amount = wholeOf(form, 'amount');
    if (amount === null || Number.isNaN(amount)) return null;
    const metadata = metadataOf(form);
    if (request.path === '/v1/refunds') {
      return createRefund(this.#ledger, { charge: form.get('charge') ?? '', amount, metadata });
    }
    const currency = form.get('currency') ?? '';
    const isManual = form.get('confirm') === 'true' && form.get('capture_method') === 'manual';
    if (request.path !== '/v1/payment_intents' || !isManual || !/^[a-z]{3}$/.test(currency)) return null;
    const method = form.get('payment_method') ?? form.get('payment_method_data[card][token]') ?? '';
    const params = { amount, currency, payment_method: method, metadata, return_url: form.get('return_url') };
    return createIntent(this.#ledger, params, `http://${request.headers.host ?? ''}`);
  }

  /** `POST /_customer/{payment_intent}` with `{"outcome": "approve"}` or `refuse`: the customer acts. */
  #act(request: FakeRequest): FakeAnswer {
    const parsed = z
      .strictObject({ outcome: z.enum(['approve', 'refuse']) })
      .safeParse(parseJson(request.body));
    if (!parsed.success) return invalid('outcome');
    const id = request.path.slice('/_customer/'.length);
    const { facts, told, answer } = actOnIntent(this.#ledger, id, parsed.data.outcome === 'approve');
    this.log.append(...facts);
    if (told === undefined) return answer;
    this.#tell(told);
    return jsonAnswer(200, told.intent);
  }

  #tell({ type, intent }: NonNullable<StripeOutcome['told']>): void {
    const event = {
      id: newStripeId('evt'),
      object: 'event',
      created: nowSeconds(),
      livemode: false,
      type: `payment_intent.${type}`,
      data: { object: intent },
    };
    void this.#webhooks.postBody({ id: event.id, type: event.type, body: JSON.stringify(event) });
  }

  #takeFault({ method, path }: FakeRequest): StripeFault | undefined {
    const fault = this.#faults.take((planned) => {
      if (planned.method !== undefined && planned.method !== method) return false;
      return planned.path === undefined || path.endsWith(`/${planned.path}`);
    });
    if (fault) this.log.append({ type: 'fault', action: fault.action, path });
    return fault;
  }
}

/** @returns null when it is not there, NaN when it is no whole amount above zero */
function wholeOf(form: URLSearchParams, name: string): number | null {
  const text = form.get(name);
  if (text === null) return null;
  return /^[1-9]\d{0,11}$/.test(text) ? Number(text) : Number.NaN;
}

function metadataOf(form: URLSearchParams): StripeMetadata {
  const pairs = [...form].flatMap(([name, value]): [string, string][] => {
    const member = /^metadata\[(\w+)\]$/.exec(name)?.[1];
    return member === undefined ? [] : [[member, value]];
  });
  return Object.fromEntries(pairs);
}

/** Source: docs.stripe.com/webhooks, "Verify webhook signatures manually". */
const signStripe: Sign = ({ body, secrets }) => {
  const timestamp = nowSeconds();
  const signatures = secrets.map(
    (secret) => `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`,
  );
  return { 'stripe-signature': [`t=${timestamp}`, ...signatures].join(',') };
};

if (require.main === module) void runFakeCommand(FAKE_STRIPE, startFakeStripe);
