import type { Channel, MessageContent, OutgoingMessage, SendResult } from './channel';
import { isNumber, refusalOfLength, refusalOfText, refusalOfVariables, refused } from './content-checks';
import type { TwilioChannelOptions, TwilioClient } from './twilio-client';
import { findMessages, listMessages, readMessage, senderOf } from './twilio-messages';
import { sendOnce } from './twilio-send';

/** Tells WhatsApp's addresses from phone numbers. Source: Twilio, "Overview of the WhatsApp Business Platform". */
const PREFIX = 'whatsapp:';

/**
 * WhatsApp through Twilio. An approved template arrives at any time, free text only within 24 hours of the person's last
 * message; outside of them Twilio accepts it all the same and reports 63016 later.
 * @param options - `from`: the WhatsApp sender's number, with or without `whatsapp:`, or the sid (`MG…`) of a messaging
 * service
 */
export function createWhatsappChannel(client: TwilioClient, options: TwilioChannelOptions): Channel {
  return {
    send: (message) => send(client, options, message),
    find: async (query) =>
      isNumber(query.to) ? findMessages(client, { ...query, to: addressOf(query.to) }) : [],
    read: (sid) => readMessage(client, sid),
    // A messaging service picks its sender itself: nobody can tell its messages from those of others.
    ...(options.from.startsWith('MG')
      ? {}
      : { list: (since) => listMessages(client, { from: addressOf(options.from), since }) }),
  };
}

async function send(
  { rest }: TwilioClient,
  { from, statusCallbackUrl }: TwilioChannelOptions,
  { to, attemptId, content }: OutgoingMessage,
): Promise<SendResult> {
  const refusal =
    refusalOfText({ to, body: content.body }) ??
    refusalOfLength(content.body) ??
    refusalOfVariables(content.contentVariables ?? {});
  if (refusal) return refused(refusal);

  const statusCallback = statusCallbackUrl?.(attemptId);
  return sendOnce(() =>
    rest.messages.create({
      to: addressOf(to),
      ...senderOf(from.startsWith('MG') ? from : addressOf(from)),
      ...textOf(content),
      ...(statusCallback === undefined ? {} : { statusCallback }),
    }),
  );
}

/** A template brings its text with it; Body beside ContentSid would be a second text. */
function textOf({
  body,
  contentSid,
  contentVariables,
}: MessageContent): { body: string } | { contentSid: string; contentVariables?: string } {
  if (contentSid === undefined) return { body };
  if (contentVariables === undefined) return { contentSid };
  return { contentSid, contentVariables: JSON.stringify(contentVariables) };
}

function addressOf(number: string): string {
  return number.startsWith(PREFIX) ? number : `${PREFIX}${number}`;
}
