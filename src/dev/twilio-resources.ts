import type { EvidenceLog } from './evidence-log';
import type { FaultPlan } from './fault-plan';
import { jsonAnswer, type FakeAnswer, type FakeRequest } from './fake-server';
import { matches, type MatchSubject, type TwilioFault, type TwilioSettings } from './twilio-control';
import type { TwilioContents } from './twilio-contents';
import { METHOD_NOT_ALLOWED, notFound, refuse, type TwilioRefusal } from './twilio-errors';
import { answerAfterAccept, answerBeforeAccept } from './twilio-faults';
import type { TwilioJourneys, TwilioSubject } from './twilio-journeys';
import type { OutcomePlan } from './twilio-outcomes';
import { pageOf, type TwilioList } from './twilio-pages';
import type { TwilioPeople } from './twilio-people';
import { TwilioRecords } from './twilio-records';
import type { Credentials, TwilioTokens } from './twilio-tokens';

/** What messages and calls share. */
export interface TwilioState {
  log: EvidenceLog;
  settings: TwilioSettings;
  faults: FaultPlan<TwilioFault>;
  outcomes: OutcomePlan;
  contents: TwilioContents;
  people: TwilioPeople;
  tokens: TwilioTokens;
  journeys: TwilioJourneys;
}

/** How one kind of resource differs from the other. */
export interface ResourceRules<Kind extends TwilioSubject> {
  list: TwilioList<Kind>;
  /** What the form asks for: what faults and outcomes are aimed at. */
  subjectOf(form: URLSearchParams): MatchSubject;
  refusalOf(form: URLSearchParams): TwilioRefusal | null;
  create(accountSid: string, form: URLSearchParams): Kind;
  /** The evidence of an accepted record, beside its type. */
  evidenceOf(record: Kind): Record<string, unknown>;
  /** `POST` to one record: applies the form, or tells why not. */
  update(record: Kind, form: URLSearchParams): TwilioRefusal | null;
}

/** One of `/Messages` and `/Calls`: create, list, read, change, delete. */
export class TwilioResource<Kind extends TwilioSubject> {
  readonly records = new TwilioRecords<Kind>();

  constructor(
    readonly state: TwilioState,
    readonly rules: ResourceRules<Kind>,
  ) {}

  handle(
    request: FakeRequest,
    at: { credentials: Credentials; sid: string | undefined; form: URLSearchParams },
  ): FakeAnswer {
    const { credentials, sid, form } = at;
    if (sid !== undefined) return this.#handleOne(request, { accountSid: credentials.accountSid, sid, form });
    if (request.method === 'POST') return this.#create(credentials, form);
    return request.method === 'GET'
      ? this.#list(credentials.accountSid, request)
      : refuse(METHOD_NOT_ALLOWED);
  }

  #create(credentials: Credentials, form: URLSearchParams): FakeAnswer {
    const { answerDelayMs } = this.state.settings;
    const fault = this.#takeFault(form);
    const before = fault && answerBeforeAccept(fault);
    if (before) return before;
    const refusal = this.rules.refusalOf(form);
    if (refusal) return { ...refuse(refusal), delayMs: answerDelayMs };

    const record = this.#accept(credentials, form);
    // The answer tells of the status at creation, whatever happens before it leaves.
    const resource = this.rules.list.resource(record);
    const answer = fault ? answerAfterAccept(fault, resource) : jsonAnswer(201, resource);
    const waitFor = this.#depart(record);
    if (answer.kind === 'silence') return answer;
    const delayMs = answer.delayMs ?? (answer.kind === 'answer' ? answerDelayMs : 0);
    return { ...answer, delayMs, ...(waitFor === null ? {} : { waitFor }) };
  }

  #takeFault(form: URLSearchParams): TwilioFault | undefined {
    const subject = this.rules.subjectOf(form);
    const fault = this.state.faults.take(({ match }) => matches(match, subject));
    if (fault) this.state.log.append({ type: 'fault', action: fault.action, to: form.get('To') });
    return fault;
  }

  #accept({ accountSid, authToken }: Credentials, form: URLSearchParams): Kind {
    const record = this.rules.create(accountSid, form);
    this.state.log.append({ type: 'accepted', ...this.rules.evidenceOf(record) });
    this.state.tokens.created(record, authToken);
    this.records.add(record);
    return record;
  }

  /** Starts the journey. The promise, when there is one, is what the answer has to wait for. */
  #depart(record: Kind): Promise<void> | null {
    const { journeys, settings } = this.state;
    if (settings.callbacks.early) return journeys.runAhead(record);
    journeys.goOn(record);
    return null;
  }

  #list(accountSid: string, request: FakeRequest): FakeAnswer {
    const { listLagMs, answerDelayMs } = this.state.settings;
    const visibleUntil = Date.now() - listLagMs;
    const page = pageOf({
      list: this.rules.list,
      path: request.path,
      query: request.query,
      records: this.records.list(request.query.get('To')),
      isVisible: (record) => record.accountSid === accountSid && Date.parse(record.at) <= visibleUntil,
    });
    return { ...jsonAnswer(200, page), delayMs: answerDelayMs };
  }

  #handleOne(
    { method, path }: FakeRequest,
    { accountSid, sid, form }: { accountSid: string; sid: string; form: URLSearchParams },
  ): FakeAnswer {
    if (!['GET', 'POST', 'DELETE'].includes(method)) return refuse(METHOD_NOT_ALLOWED);
    const record = this.records.get(sid);
    if (record?.accountSid !== accountSid) return refuse(notFound(path));
    const delayMs = this.state.settings.answerDelayMs;
    if (method === 'DELETE') {
      this.state.log.append({ type: 'deleted', sid });
      this.remove(record);
      return { ...jsonAnswer(204, ''), delayMs };
    }
    const refusal = method === 'POST' ? this.rules.update(record, form) : null;
    if (refusal) return { ...refuse(refusal), delayMs };
    return { ...jsonAnswer(200, this.rules.list.resource(record)), delayMs };
  }

  /** Takes a record out of every list, and ends what was still to happen to it. */
  remove(record: Kind): void {
    this.state.journeys.stop(record);
    this.records.remove(record);
  }
}
