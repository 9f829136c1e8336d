import type { EvidenceLog } from './evidence-log';
import { runFakeCommand, type FakeCommand } from './fake-command';
import {
  startFakeServer,
  type FakeAnswer,
  type FakeBehaviour,
  type FakeRequest,
  type FakeServer,
  type FakeServerOptions,
} from './fake-server';
import { FaultPlan } from './fault-plan';
import { callRules } from './twilio-call-rules';
import { TwilioCallbacks } from './twilio-callbacks';
import type { TwilioCall } from './twilio-calls';
import { TwilioContents } from './twilio-contents';
import { controlSchema, DEFAULT_SETTINGS } from './twilio-control';
import { METHOD_NOT_ALLOWED, notFound, refuse, UNAUTHENTICATED, UNAVAILABLE } from './twilio-errors';
import { TwilioInbox } from './twilio-inbound';
import { TwilioJourneys, type TwilioSubject } from './twilio-journeys';
import { messageRules } from './twilio-message-rules';
import type { TwilioMessage } from './twilio-messages';
import { OutcomePlan } from './twilio-outcomes';
import { TwilioPeople } from './twilio-people';
import { TwilioResource, type TwilioState } from './twilio-resources';
import { restore } from './twilio-restore';
import { TwilioTokens } from './twilio-tokens';

export type { TwilioFaultAction } from './twilio-control';

/** Default port 4010. `node dist/dev/fake-twilio.js --port 4010 --log FILE` */
export const FAKE_TWILIO: FakeCommand = { name: 'fake-twilio', defaultPort: 4010 };

const RESOURCE_PATH = /^\/2010-04-01\/Accounts\/(\w+)\/(Messages|Calls)(?:\/(\w+))?\.json$/;

/** Starts the fake in this process. What its log tells is still so. */
export function startFakeTwilio(options: FakeServerOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => new FakeTwilio(log));
}

class FakeTwilio implements FakeBehaviour {
  readonly #state: TwilioState;
  readonly #callbacks: TwilioCallbacks;
  readonly #messages: TwilioResource<TwilioMessage>;
  readonly #calls: TwilioResource<TwilioCall>;
  readonly #inbox: TwilioInbox;
  /** Journeys that a restart interrupted. They go on when there is a token again to sign their callbacks with. */
  #interrupted: TwilioSubject[];

  constructor(readonly log: EvidenceLog) {
    const settings = { ...DEFAULT_SETTINGS };
    const tokens = new TwilioTokens();
    const callbacks = new TwilioCallbacks(log, () => settings.callbacks);
    const delayMs = (): number => settings.statusDelayMs;
    this.#callbacks = callbacks;
    this.#state = {
      log,
      settings,
      faults: new FaultPlan(),
      outcomes: new OutcomePlan(),
      contents: new TwilioContents(),
      people: new TwilioPeople(),
      tokens,
      journeys: new TwilioJourneys({ log, tokens, callbacks, delayMs }),
    };
    this.#messages = new TwilioResource(this.#state, messageRules(this.#state));
    this.#calls = new TwilioResource(this.#state, callRules(this.#state));
    this.#inbox = new TwilioInbox(this.#state, this.#messages.records, callbacks);
    const { people, contents } = this.#state;
    this.#interrupted = restore(log.entries(), {
      messages: this.#messages,
      calls: this.#calls,
      people,
      contents,
    });
  }

  control(document: unknown): unknown {
    const { reset, faults, outcomes, contents, authTokens, ...given } = controlSchema.parse(document);
    const state = this.#state;
    if (reset) {
      state.faults.clear();
      state.outcomes.clear();
      state.tokens.allow([]);
      Object.assign(state.settings, DEFAULT_SETTINGS);
    }
    state.faults.add(faults ?? []);
    state.outcomes.add(outcomes ?? []);
    state.contents.add(contents ?? []);
    if (authTokens) state.tokens.allow(authTokens);
    Object.assign(state.settings, given);
    if (state.tokens.areGiven) this.#goOn(() => true);
    return {
      ...state.settings,
      faults: state.faults.report(),
      outcomes: state.outcomes.report(),
      contents: state.contents.list(),
    };
  }

  /** Credentials are no evidence. */
  evidenceOfControl(document: unknown): unknown {
    const tokens = (document as { authTokens?: unknown[] }).authTokens;
    return tokens ? { ...(document as object), authTokens: tokens.map(() => '***') } : document;
  }

  handle(request: FakeRequest): FakeAnswer {
    if (request.path === '/_inbound') {
      return request.method === 'POST' ? this.#inbox.receive(request.body) : refuse(METHOD_NOT_ALLOWED);
    }
    const form = new URLSearchParams(request.method === 'POST' ? request.body : '');
    this.log.append({
      type: 'request',
      method: request.method,
      path: request.path,
      query: Object.fromEntries(request.query),
      form: membersOf(form),
    });
    if (this.#state.settings.down) return refuse(UNAVAILABLE);

    const [, accountSid, resource, sid] = RESOURCE_PATH.exec(request.path) ?? [];
    if (accountSid === undefined) return refuse(notFound(request.path));
    const credentials = this.#state.tokens.authenticate(request, accountSid);
    if (!credentials) return refuse(UNAUTHENTICATED);
    this.#goOn((subject) => subject.accountSid === accountSid);
    const at = { credentials, sid, form };
    return resource === 'Calls' ? this.#calls.handle(request, at) : this.#messages.handle(request, at);
  }

  close(): void {
    this.#state.journeys.close();
    this.#callbacks.close();
  }

  #goOn(isSigned: (subject: TwilioSubject) => boolean): void {
    if (this.#interrupted.length === 0) return;
    for (const subject of this.#interrupted.filter(isSigned)) this.#state.journeys.goOn(subject);
    this.#interrupted = this.#interrupted.filter((subject) => !isSigned(subject));
  }
}

/** A form as members; a field that comes more than once as a list. */
function membersOf(form: URLSearchParams): Record<string, string | string[]> {
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}

if (require.main === module) void runFakeCommand(FAKE_TWILIO, startFakeTwilio);
