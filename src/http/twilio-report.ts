import { MalformedRequestError } from '../errors';
import { memberOf, type Form } from './form-body';

/** Source: Twilio, "String identifiers (SIDs)": two letters and 32 hexadecimal digits. */
const MESSAGE_SID = /^(SM|MM)[0-9a-fA-F]{32}$/;
const CALL_SID = /^CA[0-9a-fA-F]{32}$/;
/** Stored as it came, also when nobody knows it; bounded, and without what PostgreSQL cannot store. */
const STATUS = /^[\x20-\x7e]{1,64}$/;
const WORD = /^[A-Za-z0-9_-]{1,64}$/;

/** What Twilio says of a message or a call. */
export interface Report {
  sid: string;
  status: string;
  errorCode: string | null;
  answeredBy: string | null;
}

/** @throws MalformedRequestError for what Twilio would not send */
export function reportOf(form: Form): Report {
  const isCall = memberOf(form, 'MessageSid') === null && memberOf(form, 'CallSid') !== null;
  const [sidName, statusName] = isCall ? ['CallSid', 'CallStatus'] : ['MessageSid', 'MessageStatus'];
  const reportedStatus = required(form, statusName, STATUS);
  return {
    sid: required(form, sidName, isCall ? CALL_SID : MESSAGE_SID),
    status: reportedStatus,
    errorCode: optional(form, 'ErrorCode', WORD) ?? sipCodeOf(form, reportedStatus),
    answeredBy: optional(form, 'AnsweredBy', WORD),
  };
}

/** Says why a call failed. It comes along with calls that went well, too: then it is no error. */
function sipCodeOf(form: Form, callStatus: string): string | null {
  const code = callStatus === 'failed' ? optional(form, 'SipResponseCode', WORD) : null;
  return code === null ? null : `sip_${code}`;
}

function required(form: Form, name: string, pattern: RegExp): string {
  const value = optional(form, name, pattern);
  if (value !== null) return value;
  throw new MalformedRequestError(`The form has no ${name}.`, {
    fields: [{ pointer: `/${name}`, message: 'This is required.' }],
  });
}

function optional(form: Form, name: string, pattern: RegExp): string | null {
  const value = memberOf(form, name);
  if (value === null || pattern.test(value)) return value;
  throw new MalformedRequestError(`${name} is not of the form that it has at Twilio.`, {
    fields: [{ pointer: `/${name}`, message: 'This is malformed.' }],
  });
}

/** What the message or the call went over. */
export function channelOf(form: Form): string {
  if (memberOf(form, 'CallSid') !== null) return 'voice';
  return memberOf(form, 'To')?.startsWith('whatsapp:') === true ? 'whatsapp' : 'sms';
}
