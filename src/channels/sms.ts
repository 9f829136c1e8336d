import type { Channel, OutgoingMessage, SendResult } from './channel';
import { isNumber, refusalOfLength, refusalOfText, refused } from './content-checks';
import type { TwilioChannelOptions, TwilioClient } from './twilio-client';
import { findMessages, listMessages, readMessage, senderOf } from './twilio-messages';
import { sendOnce } from './twilio-send';

/**
 * SMS through Twilio.
 * @param options - `from`: a phone number or sender id of the account, or the sid (`MG…`) of a messaging service
 */
export function createSmsChannel(client: TwilioClient, options: TwilioChannelOptions): Channel {
  return {
    send: (message) => send(client, options, message),
    // A number that `send` refuses was never sent to, and an empty one would list the whole account.
    find: async (query) => (isNumber(query.to) ? findMessages(client, query) : []),
    read: (sid) => readMessage(client, sid),
    // A messaging service picks its sender itself: nobody can tell its messages from those of others.
    ...(isNumber(options.from)
      ? { list: (since) => listMessages(client, { from: options.from, since }) }
      : {}),
  };
}

async function send(
  { rest }: TwilioClient,
  { from, statusCallbackUrl }: TwilioChannelOptions,
  { to, attemptId, content: { body } }: OutgoingMessage,
): Promise<SendResult> {
  const refusal = refusalOfText({ to, body }) ?? refusalOfLength(body);
  if (refusal) return refused(refusal);

  const statusCallback = statusCallbackUrl?.(attemptId);
  const callback = statusCallback === undefined ? {} : { statusCallback };
  return sendOnce(() => rest.messages.create({ to, body, ...senderOf(from), ...callback }));
}
