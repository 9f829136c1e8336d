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
import {
  messageResource,
  newSid,
  refusalDocument,
  refusalOf,
  type AcceptedMessage,
  type TwilioRefusal,
} from './twilio-messages';
import { messagesPage } from './twilio-pages';

/** Default port 4010. `node dist/dev/fake-twilio.js --port 4010 --log FILE` */
export const FAKE_TWILIO: FakeCommand = { name: 'fake-twilio', defaultPort: 4010 };

/**
 * What can go wrong with sending one message. `html` and `no_sid` accept the message and answer 2xx, one with a page
 * of some box in between, one with a resource that lacks its sid.
 */
export type TwilioFaultAction = z.infer<typeof faultSchema>['action'];

const faultSchema = z.strictObject({
  match: z.strictObject({ to: z.string().optional(), bodyIncludes: z.string().optional() }).optional(),
  action: z.enum([
    '429',
    '500_before_accept',
    '500_after_accept',
    'timeout_after_accept',
    'cut_after_accept',
    'no_sid',
    'html',
    'refuse_connection_like_reset_before_accept',
  ]),
  /** Sent as Retry-After with a 429. */
  retryAfterSeconds: z.int().nonnegative().optional(),
  ...faultTiming,
});

const controlSchema = z.strictObject({
  ...commonSettings,
  /** Messages younger than this many milliseconds are not in the list yet. */
  listLagMs: z.int().nonnegative().optional(),
  faults: z.array(faultSchema).optional(),
});

type Fault = z.infer<typeof faultSchema>;

const TOO_MANY_REQUESTS: TwilioRefusal = { code: 20429, message: 'Too Many Requests', status: 429 };
const SERVER_ERROR: TwilioRefusal = {
  code: 20500,
  message: 'An internal server error has occurred',
  status: 500,
};
const UNAVAILABLE: TwilioRefusal = { code: 20503, message: 'Service Unavailable', status: 503 };
const UNAUTHENTICATED: TwilioRefusal = { code: 20003, message: 'Authenticate', status: 401 };
const METHOD_NOT_ALLOWED: TwilioRefusal = { code: 20004, message: 'Method not allowed', status: 405 };

const DEFAULT_SETTINGS = { down: false, answerDelayMs: 0, listLagMs: 0 };

/** Starts the fake in this process. Messages in its log are still known. */
export function startFakeTwilio(options: FakeServerOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => new FakeTwilio(log));
}

class FakeTwilio implements FakeBehaviour {
  /** Oldest first. */
  readonly #messages: AcceptedMessage[];
  readonly #faults = new FaultPlan<Fault>();
  #settings = { ...DEFAULT_SETTINGS };

  constructor(readonly log: EvidenceLog) {
    this.#messages = log
      .entries()
      .filter((entry) => entry.type === 'accepted')
      .map((entry) => entry as unknown as AcceptedMessage);
  }

  control(document: unknown): unknown {
    const { reset, faults, ...settings } = controlSchema.parse(document);
    if (reset) {
      this.#faults.clear();
      this.#settings = { ...DEFAULT_SETTINGS };
    }
    this.#faults.add(faults ?? []);
    Object.assign(this.#settings, settings);
    return { ...this.#settings, faults: this.#faults.report() };
  }

  handle(request: FakeRequest): FakeAnswer {
    const form = new URLSearchParams(request.method === 'POST' ? request.body : '');
    this.log.append({
      type: 'request',
      method: request.method,
      path: request.path,
      query: Object.fromEntries(request.query),
      form: Object.fromEntries(form),
    });
    if (this.#settings.down) return refuse(UNAVAILABLE);

    const [, accountSid, sid] =
      /^\/2010-04-01\/Accounts\/(\w+)\/Messages(?:\/(\w+))?\.json$/.exec(request.path) ?? [];
    if (accountSid === undefined) return refuse(notFound(request.path));
    if (!isAuthenticated(request, accountSid)) return refuse(UNAUTHENTICATED);
    if (sid !== undefined)
      return request.method === 'GET' ? this.#show(accountSid, sid, request) : refuse(METHOD_NOT_ALLOWED);
    if (request.method === 'POST') return this.#create(accountSid, form);
    return request.method === 'GET' ? this.#list(accountSid, request) : refuse(METHOD_NOT_ALLOWED);
  }

  #create(accountSid: string, form: URLSearchParams): FakeAnswer {
    const fault = this.#takeFault(form);
    const before = fault && answerBeforeAccept(fault);
    if (before) return before;
    const refusal = refusalOf(form);
    if (refusal) return { ...refuse(refusal), delayMs: this.#settings.answerDelayMs };

    const message = this.#accept(accountSid, form);
    const answer = fault ? answerAfterAccept(fault, message) : jsonAnswer(201, messageResource(message));
    return answer.kind === 'answer' ? { delayMs: this.#settings.answerDelayMs, ...answer } : answer;
  }

  #takeFault(form: URLSearchParams): Fault | undefined {
    const fault = this.#faults.take(({ match }) => {
      if (match?.to !== undefined && match.to !== form.get('To')) return false;
      return match?.bodyIncludes === undefined || (form.get('Body') ?? '').includes(match.bodyIncludes);
    });
    if (fault) this.log.append({ type: 'fault', action: fault.action, to: form.get('To') });
    return fault;
  }

  #accept(accountSid: string, form: URLSearchParams): AcceptedMessage {
    const messagingServiceSid = form.get('MessagingServiceSid');
    const message: AcceptedMessage = {
      sid: newSid('SM'),
      accountSid,
      to: form.get('To') ?? '',
      from: form.get('From'),
      messagingServiceSid,
      body: form.get('Body') ?? '',
      statusCallback: form.get('StatusCallback'),
      // A messaging service picks its sender later; until then Twilio calls the message accepted, not queued.
      status: messagingServiceSid && !form.get('From') ? 'accepted' : 'queued',
      at: new Date().toISOString(),
    };
    this.log.append({ type: 'accepted', ...message });
    this.#messages.push(message);
    return message;
  }

  #show(accountSid: string, sid: string, request: FakeRequest): FakeAnswer {
    const message = this.#messages.find((known) => known.sid === sid && known.accountSid === accountSid);
    if (!message) return refuse(notFound(request.path));
    return { ...jsonAnswer(200, messageResource(message)), delayMs: this.#settings.answerDelayMs };
  }

  #list(accountSid: string, request: FakeRequest): FakeAnswer {
    const visibleUntil = Date.now() - this.#settings.listLagMs;
    const messages = this.#messages.filter(
      (message) => message.accountSid === accountSid && Date.parse(message.at) <= visibleUntil,
    );
    const page = messagesPage({ path: request.path, query: request.query, messages });
    return { ...jsonAnswer(200, page), delayMs: this.#settings.answerDelayMs };
  }
}

function answerBeforeAccept(fault: Fault): FakeAnswer | null {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '429': {
      const headers: Record<string, string> =
        fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) };
      return { ...jsonAnswer(429, refusalDocument(TOO_MANY_REQUESTS), headers), ...delay };
    }
    case '500_before_accept':
      return { ...refuse(SERVER_ERROR), ...delay };
    case 'refuse_connection_like_reset_before_accept':
      return { kind: 'cut', ...delay };
    default:
      return null;
  }
}

function answerAfterAccept(fault: Fault, message: AcceptedMessage): FakeAnswer {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '500_after_accept':
      return { ...refuse(SERVER_ERROR), ...delay };
    case 'timeout_after_accept':
      return { kind: 'silence' };
    case 'cut_after_accept':
      return { kind: 'cut', ...delay };
    case 'no_sid':
      return { ...jsonAnswer(201, { ...messageResource(message), sid: undefined }), ...delay };
    case 'html':
      return {
        ...jsonAnswer(200, '<!doctype html><title>Welcome</title>', { 'content-type': 'text/html' }),
        ...delay,
      };
    default:
      throw new TypeError(`${fault.action} is no fault after accepting`);
  }
}

/** Any token will do, like Twilio's own test credentials for a tool that has none; the SID must be the path's. */
function isAuthenticated(request: FakeRequest, accountSid: string): boolean {
  const [scheme, encoded] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic' || !encoded) return false;
  const [user, ...token] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return user === accountSid && token.join(':') !== '';
}

function refuse(refusal: TwilioRefusal): Extract<FakeAnswer, { kind: 'answer' }> {
  return jsonAnswer(refusal.status, refusalDocument(refusal));
}

function notFound(path: string): TwilioRefusal {
  return { code: 20404, message: `The requested resource ${path} was not found`, status: 404 };
}

if (require.main === module) void runFakeCommand(FAKE_TWILIO, startFakeTwilio);
