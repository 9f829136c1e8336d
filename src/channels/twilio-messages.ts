import type { FoundMessage, ListedMessage, ProviderReport } from './channel';
import type { TwilioClient } from './twilio-client';
import { findRecent, listedOf, PAGE_SIZE, readOne, reportOf } from './twilio-look-up';

/** What Twilio puts before every text of a trial account, in its list too. */
const TRIAL_PREFIX = 'Sent from your Twilio trial account - ';

/** The most that one page of Twilio's lists holds. Source: Twilio, "Twilio's response", paging. */
const LIST_PAGE_SIZE = 1_000;

/** A messaging service picks its sender itself; anything else is the sender. */
export function senderOf(from: string): { messagingServiceSid: string } | { from: string } {
  return from.startsWith('MG') ? { messagingServiceSid: from } : { from };
}

/**
 * Outbound messages to this address with exactly this text, newest first. Inbound ones stand in the same list.
 * @param query - `to` in the channel's form, for instance `whatsapp:+14155550100`
 * @throws GatewayUnavailableError (retryable)
 */
export async function findMessages(
  { rest }: TwilioClient,
  { to, body, since }: { to: string; body: string; since: string },
): Promise<FoundMessage[]> {
  const found = await findRecent(
    since,
    // No DateSent filter: a message that is still queued has no such date and would be missing.
    () => rest.messages.page({ to, pageSize: PAGE_SIZE }),
    (message) =>
      message.direction !== 'inbound' && (message.body === body || message.body === `${TRIAL_PREFIX}${body}`),
  );
  return found.map((message) => ({ sid: message.sid, ...reportOf(message) }));
}

/**
 * Every outbound message of this sender, newest first.
 * @param query - `from` in the channel's form, for instance `whatsapp:+14155550100`
 * @throws GatewayUnavailableError (retryable)
 */
export async function listMessages(
  { rest }: TwilioClient,
  { from, since }: { from: string; since: string },
): Promise<ListedMessage[]> {
  const sent = await findRecent(
    since,
    () => rest.messages.page({ from, pageSize: LIST_PAGE_SIZE }),
    (message) => message.direction !== 'inbound',
  );
  return sent.map(listedOf);
}

/** What Twilio says of a message now. @throws GatewayUnavailableError (retryable) */
export async function readMessage({ rest }: TwilioClient, sid: string): Promise<ProviderReport | null> {
  const message = await readOne(sid, () => rest.messages(sid).fetch());
  return message === null ? null : reportOf(message);
}
