import { randomBytes } from 'node:crypto';

/** A message that the fake accepted. Nothing moves it on yet: it stays as it was created. */
export interface AcceptedMessage {
  sid: string;
  accountSid: string;
  to: string;
  from: string | null;
  messagingServiceSid: string | null;
  body: string;
  statusCallback: string | null;
  status: 'queued' | 'accepted';
  /** RFC 3339, with milliseconds. Twilio shows whole seconds only. */
  at: string;
}

/** A refusal as Twilio words it. `status` is the HTTP status. */
export interface TwilioRefusal {
  code: number;
  message: string;
  status: number;
}

/** Twilio's limit for the concatenated body, error 21617 above it. Source: Message resource, Body parameter. */
const BODY_CHARACTERS_MAX = 1600;
/** Characters of one segment in GSM-7, and of each one when there are several. */
const SEGMENT_CHARACTERS = { single: 160, joined: 153 };

/** Source: Twilio, "Test credentials", magic numbers for To. */
const REFUSED_TO: Record<string, (to: string, from: string) => [number, string]> = {
  '+15005550001': (to) => [21211, `Invalid 'To' Phone Number: ${to}`],
  '+15005550002': (to, from) => [
    21612,
    `Message cannot be sent with the current combination of 'To' (${to}) and/or 'From' (${from}) parameters`,
  ],
  '+15005550003': (to) => [
    21408,
    `Permission to send an SMS has not been enabled for the region indicated by the 'To' number: ${to}`,
  ],
  '+15005550004': () => [21610, 'Attempt to send to unsubscribed recipient'],
  '+15005550009': (to) => [21614, `'To' number: ${to}, is not a valid mobile number`],
};

/** Source: Twilio, "Test credentials", magic numbers for From. */
const REFUSED_FROM: Record<string, (from: string) => [number, string]> = {
  '+15005550001': (from) => [
    21212,
    `The 'From' number ${from} is not a valid phone number, shortcode, or alphanumeric sender ID.`,
  ],
  '+15005550007': (from) => [
    21606,
    `The 'From' phone number provided (${from}) is not a valid message-capable Twilio phone number for this destination/account`,
  ],
  '+15005550008': () => [21611, "This 'From' number has exceeded the maximum number of queued messages"],
};

/** Why Twilio would refuse these form fields, or null when it would accept them. */
export function refusalOf(form: URLSearchParams): TwilioRefusal | null {
  const to = form.get('To') ?? '';
  const from = form.get('From') ?? '';
  const body = form.get('Body') ?? '';
  if (to === '') return badRequest(21604, "A 'To' phone number is required.");
  if (from === '' && !form.get('MessagingServiceSid')) {
    return badRequest(21603, "A 'From' phone number is required.");
  }
  const refusedFrom = REFUSED_FROM[from]?.(from);
  if (refusedFrom) return badRequest(...refusedFrom);
  const refusedTo = REFUSED_TO[to]?.(to, from);
  if (refusedTo) return badRequest(...refusedTo);
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return badRequest(21211, `Invalid 'To' Phone Number: ${to}`);
  if (body === '') return badRequest(21602, 'Message body is required.');
  if ([...body].length > BODY_CHARACTERS_MAX) {
    return badRequest(21617, 'The concatenated message body exceeds the 1600 character limit.');
  }
  return null;
}

function badRequest(code: number, message: string): TwilioRefusal {
  return { code, message, status: 400 };
}

/** Twilio's error document. */
export function refusalDocument({ code, message, status }: TwilioRefusal): Record<string, unknown> {
  return { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status };
}

/** A sid in Twilio's form: the kind's two letters and 32 hexadecimal digits. */
export function newSid(kind: 'SM'): string {
  return `${kind}${randomBytes(16).toString('hex')}`;
}

/** The Message resource as `api.twilio.com/2010-04-01` shows it. */
export function messageResource(message: AcceptedMessage): Record<string, unknown> {
  const uri = `/2010-04-01/Accounts/${message.accountSid}/Messages/${message.sid}`;
  const date = rfc2822(message.at);
  return {
    account_sid: message.accountSid,
    api_version: '2010-04-01',
    body: message.body,
    date_created: date,
    date_sent: null,
    date_updated: date,
    direction: 'outbound-api',
    error_code: null,
    error_message: null,
    from: message.from,
    messaging_service_sid: message.messagingServiceSid,
    num_media: '0',
    num_segments: String(segments(message.body)),
    price: null,
    price_unit: 'USD',
    sid: message.sid,
    status: message.status,
    subresource_uris: { media: `${uri}/Media.json` },
    to: message.to,
    uri: `${uri}.json`,
  };
}

function segments(body: string): number {
  return body.length <= SEGMENT_CHARACTERS.single ? 1 : Math.ceil(body.length / SEGMENT_CHARACTERS.joined);
}

/** `Thu, 24 Aug 2023 05:01:45 +0000`: whole seconds, as Twilio writes its times. */
export function rfc2822(at: string): string {
  return new Date(at).toUTCString().replace('GMT', '+0000');
}
