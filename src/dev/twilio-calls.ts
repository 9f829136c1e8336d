import { badRequest, statusCallbackRefusal, type TwilioRefusal } from './twilio-errors';
import { newSid, rfc2822, type Journey, type TwilioRecord } from './twilio-records';

/** A call that the fake accepted. Nobody is called: it only moves through its statuses. */
export interface TwilioCall extends TwilioRecord {
  kind: 'call';
  channel: 'voice';
  twiml: string | null;
  /** Where Twilio would get the TwiML. The fake does not ask there. */
  url: string | null;
  statusCallbackEvents: readonly string[];
  detectsMachine: boolean;
  startedAt: string | null;
  endedAt: string | null;
  answeredBy: string | null;
}

/** Source: Call resource, Twiml parameter. */
const TWIML_CHARACTERS_MAX = 4000;
/** Source: Call resource, Status. */
const ENDED_STATUSES = new Set(['completed', 'busy', 'failed', 'no-answer', 'canceled']);

/** Source: Twilio, "Test credentials", magic numbers for To of a call. */
const REFUSED_TO: Record<string, (to: string) => [number, string]> = {
  '+15005550001': (to) => [21217, `Phone number does not appear to be valid: ${to}`],
  '+15005550002': (to) => [21214, `'To' phone number ${to} cannot be reached`],
  '+15005550003': (to) => [21215, `Account not authorized to call ${to}. Enable it in the geo permissions.`],
  '+15005550004': (to) => [21216, `Account not allowed to call ${to}`],
};

/** Why Twilio would refuse to make this call, or null. */
export function refusalOfCall(form: URLSearchParams): TwilioRefusal | null {
  const to = form.get('To') ?? '';
  const from = form.get('From') ?? '';
  if (to === '') return badRequest(21201, "No 'To' number is specified");
  if (from === '') return badRequest(21213, "A 'From' phone number is required.");
  // Source: Twilio, "Test credentials", magic numbers for From of a call.
  if (from === '+15005550001') return badRequest(21212, `Invalid 'From' Phone Number: ${from}`);
  const refusedTo = REFUSED_TO[to]?.(to);
  if (refusedTo) return badRequest(...refusedTo);
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return badRequest(21211, `Invalid 'To' Phone Number: ${to}`);
  return refusalOfInstructions(form) ?? statusCallbackRefusal(form.get('StatusCallback'));
}

function refusalOfInstructions(form: URLSearchParams): TwilioRefusal | null {
  const url = form.get('Url');
  const twiml = form.get('Twiml');
  if (url) {
    return URL.canParse(url) ? null : badRequest(21205, 'Url parameter is not a valid URL.');
  }
  if (!twiml && !form.get('ApplicationSid')) return badRequest(21205, 'Url parameter is required.');
  if ((twiml ?? '').length > TWIML_CHARACTERS_MAX) {
    return badRequest(20001, `Twiml must be at most ${TWIML_CHARACTERS_MAX} characters`);
  }
  return null;
}

/** The call that an accepted form makes. */
export function newCall(options: {
  accountSid: string;
  form: URLSearchParams;
  journey: Journey;
}): TwilioCall {
  const { accountSid, form, journey } = options;
  const at = new Date().toISOString();
  // Twilio takes an empty field for none.
  const given = (name: string): string | null => form.get(name) || null;
  return {
    kind: 'call',
    sid: newSid('CA'),
    accountSid,
    channel: 'voice',
    to: form.get('To') ?? '',
    from: form.get('From'),
    // Source: Call resource, Twiml parameter: with both, Url counts.
    twiml: given('Url') === null ? given('Twiml') : null,
    url: given('Url'),
    text: given('Url') ?? given('Twiml') ?? '',
    statusCallback: given('StatusCallback'),
    statusCallbackEvents: eventsOf(form),
    // Source: Call resource, MachineDetection: Enable or DetectMessageEnd.
    detectsMachine: ['enable', 'detectmessageend'].includes(
      (form.get('MachineDetection') ?? '').toLowerCase(),
    ),
    status: 'queued',
    journey,
    reached: [],
    at,
    updatedAt: at,
    startedAt: null,
    endedAt: null,
    answeredBy: null,
  };
}

/** Source: Call resource, StatusCallbackEvent: one parameter an event, default completed. */
function eventsOf(form: URLSearchParams): string[] {
  const given = form.getAll('StatusCallbackEvent').flatMap((value) => value.split(/\s+/));
  const events = given.filter((event) => event !== '');
  return events.length === 0 ? ['completed'] : events;
}

/** Whether this status is one of those that the call's creator wants to hear of. Every end is `completed`. */
export function isSubscribed({ statusCallbackEvents }: TwilioCall, status: string): boolean {
  const event = hasEnded(status) ? 'completed' : status === 'in-progress' ? 'answered' : status;
  return statusCallbackEvents.includes(event);
}

export function hasEnded(status: string): boolean {
  return ENDED_STATUSES.has(status);
}

/** Moves a call to a status. */
export function applyToCall(call: TwilioCall, status: string, at: string): void {
  call.status = status;
  call.updatedAt = at;
  if (status === 'in-progress') {
    call.startedAt ??= at;
    if (call.detectsMachine) call.answeredBy = call.journey.answeredBy;
  }
  if (hasEnded(status)) call.endedAt ??= at;
}

/** Seconds from the answer to the end, at least 1 for an answered call; 0 when nobody answered. */
export function durationSeconds({ startedAt, endedAt }: TwilioCall): number {
  if (startedAt === null || endedAt === null) return 0;
  return Math.max(1, Math.ceil((Date.parse(endedAt) - Date.parse(startedAt)) / 1000));
}

/** The Call resource as `api.twilio.com/2010-04-01` shows it. */
export function callResource(call: TwilioCall): Record<string, unknown> {
  const uri = `/2010-04-01/Accounts/${call.accountSid}/Calls/${call.sid}`;
  const timeOf = (at: string | null): string | null => (at === null ? null : rfc2822(at));
  return {
    account_sid: call.accountSid,
    annotation: null,
    answered_by: call.answeredBy,
    api_version: '2010-04-01',
    caller_name: null,
    date_created: rfc2822(call.at),
    date_updated: rfc2822(call.updatedAt),
    direction: 'outbound-api',
    duration: call.endedAt === null ? null : String(durationSeconds(call)),
    end_time: timeOf(call.endedAt),
    forwarded_from: null,
    from: call.from,
    from_formatted: call.from,
    group_sid: null,
    parent_call_sid: null,
    phone_number_sid: null,
    price: null,
    price_unit: 'USD',
    queue_time: '0',
    sid: call.sid,
    start_time: timeOf(call.startedAt),
    // The resource knows no `initiated`, only its callback does: the twilio package's CallStatus lists the others.
    status: call.status === 'initiated' ? 'queued' : call.status,
    subresource_uris: { events: `${uri}/Events.json`, recordings: `${uri}/Recordings.json` },
    to: call.to,
    to_formatted: call.to,
    trunk_sid: null,
    uri: `${uri}.json`,
  };
}
