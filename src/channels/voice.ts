import type {
  Channel,
  FindQuery,
  FoundMessage,
  ListedMessage,
  OutgoingMessage,
  ProviderReport,
  SendResult,
} from './channel';
import { isNumber, refusalOfText, refused } from './content-checks';
import { spokenLanguage } from '../domain/spoken-language';
import type { TwilioChannelOptions, TwilioClient } from './twilio-client';
import { findRecent, listedOf, PAGE_SIZE, readOne, reportOf } from './twilio-look-up';
import { sendOnce } from './twilio-send';
import { spokenTwice, TWIML_CHARACTERS_MAX } from './twiml';

/**
 * How long the phone rings, in seconds. Twilio's default of 60 holds up the next channel; mailboxes mostly answer after
 * 20 to 30, and some seconds pass before the first ring is heard.
 */
const RING_SECONDS = 30;
/** Everything that Twilio can tell of a call. Without the list it reports only the end. */
const STATUS_EVENTS = ['initiated', 'ringing', 'answered', 'completed'];

/**
 * Calls through Twilio that speak a text.
 * @param options - `from`: a phone number of the account, E.164; calls know no messaging service
 */
export function createVoiceChannel(client: TwilioClient, options: TwilioChannelOptions): Channel {
  return {
    send: (message) => send(client, options, message),
    find: (query) => find(client, options, query),
    read: (sid) => read(client, sid),
    list: (since) => list(client, options, since),
  };
}

async function send(
  { rest }: TwilioClient,
  { from, statusCallbackUrl }: TwilioChannelOptions,
  { to, attemptId, content: { body, language } }: OutgoingMessage,
): Promise<SendResult> {
  const refusal = refusalOfText({ to, body });
  if (refusal) return refused(refusal);
  const spoken = spokenLanguage(language);
  if (spoken === null) {
    return refused({ code: 'unsupported_language', message: 'Twilio has no voice for the language.' });
  }
  const twiml = spokenTwice({ text: body, language: spoken });
  if (twiml.length > TWIML_CHARACTERS_MAX) {
    const message = `Said twice, the text makes more than ${TWIML_CHARACTERS_MAX} characters of TwiML.`;
    return refused({ code: 'twiml_too_long', message });
  }

  const statusCallback = statusCallbackUrl?.(attemptId);
  const callback =
    statusCallback === undefined ? {} : { statusCallback, statusCallbackEvent: [...STATUS_EVENTS] };
  return sendOnce(() =>
    rest.calls.create({
      to,
      from,
      twiml,
      timeout: RING_SECONDS,
      // Tells an answer by a person from one by a mailbox, which is none.
      machineDetection: 'Enable',
      ...callback,
    }),
  );
}

/**
 * Twilio keeps no text of a call, so the sender narrows the search instead: other systems of the same account call with
 * numbers of their own.
 */
async function find(
  { rest }: TwilioClient,
  { from }: TwilioChannelOptions,
  { to, since }: FindQuery,
): Promise<FoundMessage[]> {
  // A number that `send` refuses was never called, and an empty one would list the whole account.
  if (!isNumber(to)) return [];
  const found = await findRecent(
    since,
    // No StartTime filter: a call that is still queued has no such time and would be missing.
    () => rest.calls.page({ to, from, pageSize: PAGE_SIZE }),
    // Inbound calls and the legs of a forwarded one stand in the same list.
    (call) => call.direction === 'outbound-api',
  );
  return found.map((call) => ({ sid: call.sid, ...callReportOf(call) }));
}

async function list(
  { rest }: TwilioClient,
  { from }: TwilioChannelOptions,
  since: string,
): Promise<ListedMessage[]> {
  const made = await findRecent(
    since,
    () => rest.calls.page({ from, pageSize: PAGE_SIZE }),
    (call) => call.direction === 'outbound-api',
  );
  return made.map(listedOf);
}

async function read({ rest }: TwilioClient, sid: string): Promise<ProviderReport | null> {
  const call = await readOne(sid, () => rest.calls(sid).fetch());
  return call === null ? null : callReportOf(call);
}

/** The Call resource holds no error code. */
function callReportOf(call: { status: unknown; answeredBy: unknown }): ProviderReport {
  const { status, errorCode } = reportOf({ status: call.status });
  return { status, errorCode, answeredBy: typeof call.answeredBy === 'string' ? call.answeredBy : null };
}
