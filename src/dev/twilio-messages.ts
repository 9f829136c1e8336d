import { smsSizeOf } from '../domain/sms-segments';
import { badRequest, statusCallbackRefusal, type TwilioRefusal } from './twilio-errors';
import { newSid, rfc2822, type Journey, type TwilioRecord } from './twilio-records';

/** A message that the fake accepted, or that a person wrote. */
export interface TwilioMessage extends TwilioRecord {
  kind: 'message';
  channel: 'sms' | 'whatsapp';
  direction: 'outbound-api' | 'inbound';
  messagingServiceSid: string | null;
  contentSid: string | null;
  sentAt: string | null;
  errorCode: number | null;
}

/** Twilio's limit for the concatenated body, error 21617 above it. Source: Message resource, Body parameter. */
const BODY_CHARACTERS_MAX = 1600;
/** The number that every messaging service picks. Twilio picks one of the service's pool. */
export const SERVICE_SENDER = '+15005550006';
const WHATSAPP = 'whatsapp:';
/** From then on the message has left Twilio, and has a date_sent. */
const SENT_STATUSES = new Set(['sent', 'delivered', 'undelivered', 'read']);

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

/** Source: Twilio, error and warning dictionary, the titles of these codes. */
const ERROR_MESSAGES: Record<number, string> = {
  30003: 'Unreachable destination handset',
  30004: 'Message blocked',
  30005: 'Unknown destination handset',
  30006: 'Landline or unreachable carrier',
  30007: 'Message filtered',
  30008: 'Unknown error',
  63016:
    'Failed to send freeform message because you are outside the allowed window. If you are using WhatsApp, please use a Message Template.',
};

/** `sms` or `whatsapp`, by the address. */
export function channelOf(address: string): 'sms' | 'whatsapp' {
  return address.startsWith(WHATSAPP) ? 'whatsapp' : 'sms';
}

/** The number of an address, without its channel. */
export function numberOf(address: string): string {
  return address.startsWith(WHATSAPP) ? address.slice(WHATSAPP.length) : address;
}

/** What Twilio says of this error code in the resource. */
export function errorMessage(code: number): string {
  return ERROR_MESSAGES[code] ?? `Error ${code}`;
}

/**
 * Why Twilio would refuse these form fields, or null when it would accept them. The magic numbers hold for WhatsApp too,
 * where Twilio has none.
 */
export function refusalOfMessage(form: URLSearchParams, body: string): TwilioRefusal | null {
  const to = form.get('To') ?? '';
  const from = form.get('From') ?? '';
  if (to === '') return badRequest(21604, "A 'To' phone number is required.");
  if (from === '' && !form.get('MessagingServiceSid')) {
    return badRequest(21603, "A 'From' phone number is required.");
  }
  const refusedFrom = REFUSED_FROM[numberOf(from)]?.(from);
  if (refusedFrom) return badRequest(...refusedFrom);
  const refusedTo = REFUSED_TO[numberOf(to)]?.(to, from);
  if (refusedTo) return badRequest(...refusedTo);
  if (!/^\+[1-9]\d{6,14}$/.test(numberOf(to))) return badRequest(21211, `Invalid 'To' Phone Number: ${to}`);
  if (from !== '' && channelOf(from) !== channelOf(to)) {
    return badRequest(21910, "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel");
  }
  const callback = statusCallbackRefusal(form.get('StatusCallback'));
  if (callback) return callback;
  if (body === '') return badRequest(21602, 'Message body is required.');
  if ([...body].length > BODY_CHARACTERS_MAX) {
    return badRequest(21617, 'The concatenated message body exceeds the 1600 character limit.');
  }
  return null;
}

/** The message that an accepted form makes. */
export function newMessage(options: {
  accountSid: string;
  form: URLSearchParams;
  body: string;
  journey: Journey;
}): TwilioMessage {
  const { accountSid, form, body, journey } = options;
  const to = form.get('To') ?? '';
  // Twilio takes an empty field for none.
  const given = (name: string): string | null => form.get(name) || null;
  const at = new Date().toISOString();
  return {
    kind: 'message',
    sid: newSid('SM'),
    accountSid,
    channel: channelOf(to),
    direction: 'outbound-api',
    to,
    from: given('From'),
    messagingServiceSid: given('MessagingServiceSid'),
    contentSid: given('ContentSid'),
    text: body,
    statusCallback: given('StatusCallback'),
    status: isServicePick(form) ? 'accepted' : 'queued',
    journey,
    reached: [],
    at,
    updatedAt: at,
    sentAt: null,
    errorCode: null,
  };
}

/** A messaging service picks its sender later; until then Twilio calls the message accepted, not queued. */
export function isServicePick(form: URLSearchParams): boolean {
  return Boolean(form.get('MessagingServiceSid')) && !form.get('From');
}

/** Moves a message to a status. */
export function applyToMessage(message: TwilioMessage, status: string, at: string): void {
  const hasFailed = status === 'failed' || status === 'undelivered';
  message.status = status;
  message.updatedAt = at;
  message.errorCode = hasFailed ? message.journey.errorCode : null;
  if (SENT_STATUSES.has(status)) message.sentAt ??= at;
}

/** Who the message comes from: the given number, or the one that the service picked once it is queued. */
export function senderOf({ from, status, to }: TwilioMessage): string | null {
  if (from !== null || status === 'accepted') return from;
  return channelOf(to) === 'whatsapp' ? `${WHATSAPP}${SERVICE_SENDER}` : SERVICE_SENDER;
}

/** The Message resource as `api.twilio.com/2010-04-01` shows it. */
export function messageResource(message: TwilioMessage): Record<string, unknown> {
  const uri = `/2010-04-01/Accounts/${message.accountSid}/Messages/${message.sid}`;
  const { errorCode } = message;
  return {
    account_sid: message.accountSid,
    api_version: '2010-04-01',
    body: message.text,
    date_created: rfc2822(message.at),
    date_sent: message.sentAt === null ? null : rfc2822(message.sentAt),
    date_updated: rfc2822(message.updatedAt),
    direction: message.direction,
    error_code: errorCode,
    error_message: errorCode === null ? null : errorMessage(errorCode),
    from: senderOf(message),
    messaging_service_sid: message.messagingServiceSid,
    num_media: '0',
    // Source: Message resource, num_segments: 0 until a messaging service has picked the sender.
    num_segments: message.status === 'accepted' ? '0' : String(smsSizeOf(message.text).segments),
    price: null,
    price_unit: 'USD',
    sid: message.sid,
    status: message.status,
    subresource_uris: { media: `${uri}/Media.json` },
    to: message.to,
    uri: `${uri}.json`,
  };
}
