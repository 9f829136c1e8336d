import { smsSizeOf } from '../domain/sms-segments';
import { durationSeconds, hasEnded, isSubscribed, type TwilioCall } from './twilio-calls';
import { errorMessage, numberOf, senderOf, type TwilioMessage } from './twilio-messages';
import { rfc2822 } from './twilio-records';

const API_VERSION = '2010-04-01';
/** The installed WhatsApp channel. Twilio's is one of the account. */
const CHANNEL_INSTALL_SID = `XE${'0'.repeat(32)}`;

/**
 * The status callback of a message at its present status. Source: Twilio, "Track the Message Status of Outbound
 * Messages": properties of the request, RawDlrDoneDate for SMS, Channel… and EventType for WhatsApp.
 */
export function messageStatusParams(message: TwilioMessage): Record<string, string> {
  const { sid, status, errorCode, messagingServiceSid } = message;
  return {
    MessageSid: sid,
    SmsSid: sid,
    MessageStatus: status,
    SmsStatus: status,
    To: message.to,
    From: senderOf(message) ?? '',
    AccountSid: message.accountSid,
    ApiVersion: API_VERSION,
    ...(messagingServiceSid ? { MessagingServiceSid: messagingServiceSid } : {}),
    ...(errorCode === null ? {} : { ErrorCode: String(errorCode) }),
    ...(message.channel === 'whatsapp' ? whatsAppParams(message) : receiptParams(message)),
  };
}

function whatsAppParams({ to, status, errorCode }: TwilioMessage): Record<string, string> {
  const hasEvent = status === 'delivered' || status === 'read' || status === 'undelivered';
  return {
    ChannelPrefix: 'whatsapp',
    ChannelInstallSid: CHANNEL_INSTALL_SID,
    // Twilio masks the last four digits here, not in To.
    ChannelToAddress: numberOf(to).replace(/\d{4}$/, 'XXXX'),
    ...(hasEvent ? { EventType: status.toUpperCase() } : {}),
    ...(errorCode === null ? {} : { ChannelStatusMessage: errorMessage(errorCode) }),
  };
}

/** YYMMDDhhmm of the carrier's delivery receipt. */
function receiptParams({ status, updatedAt }: TwilioMessage): Record<string, string> {
  if (status !== 'delivered' && status !== 'undelivered') return {};
  return { RawDlrDoneDate: updatedAt.replace(/\D/g, '').slice(2, 12) };
}

/**
 * The status callback of a call at its present status. Source: Twilio, Call resource, StatusCallback: SequenceNumber
 * counts the callbacks from 0, CallDuration is in seconds and Duration in minutes, both at the end only.
 */
export function callStatusParams(call: TwilioCall): Record<string, string> {
  const { sid, status, to, from, answeredBy } = call;
  const heard = call.reached.filter((reached) => isSubscribed(call, reached)).length;
  const seconds = durationSeconds(call);
  return {
    CallSid: sid,
    CallStatus: status,
    AccountSid: call.accountSid,
    To: to,
    Called: to,
    From: from ?? '',
    Caller: from ?? '',
    Direction: 'outbound-api',
    ApiVersion: API_VERSION,
    Timestamp: rfc2822(call.updatedAt),
    SequenceNumber: String(heard - 1),
    CallbackSource: 'call-progress-events',
    ...(hasEnded(status) ? { CallDuration: String(seconds), Duration: String(Math.ceil(seconds / 60)) } : {}),
    ...(answeredBy === null ? {} : { AnsweredBy: answeredBy }),
  };
}

/**
 * What Twilio tells of a message that a person wrote. Source: Twilio, "Twilio's request to your incoming message Webhook
 * URL". Without the places (`FromCity` and the like).
 */
export function inboundParams(
  message: TwilioMessage,
  { profileName, optOutType }: { profileName: string | null; optOutType: string | null },
): Record<string, string> {
  const { sid, from } = message;
  return {
    MessageSid: sid,
    SmsSid: sid,
    SmsMessageSid: sid,
    SmsStatus: 'received',
    AccountSid: message.accountSid,
    From: from ?? '',
    To: message.to,
    Body: message.text,
    NumMedia: '0',
    NumSegments: String(smsSizeOf(message.text).segments),
    ApiVersion: API_VERSION,
    ...(optOutType === null ? {} : { OptOutType: optOutType }),
    ...(message.channel === 'whatsapp'
      ? { ProfileName: profileName ?? 'Customer', WaId: numberOf(from ?? '').replace('+', '') }
      : {}),
  };
}
