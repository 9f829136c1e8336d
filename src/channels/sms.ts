import { GatewayUnavailableError } from '../errors';
import type { Channel, FindQuery, FoundMessage, OutgoingMessage, SendResult } from './channel';
import { TwilioCallError } from './twilio-answer';
import {
  createTwilioClient,
  type TwilioClient,
  type TwilioMessage,
  type TwilioOptions,
} from './twilio-client';

export interface SmsChannelOptions extends TwilioOptions {
  /** A phone number or sender id of the account, or the sid (`MG…`) of a messaging service. */
  from: string;
  /** The URL at which Twilio reports on this attempt. Default: none is asked for. */
  statusCallbackUrl?: (attemptId: string) => string;
}

/** A channel that holds connections. */
export interface SmsChannel extends Channel {
  close(): void;
}

/**
 * Twilio's clock may differ from ours and its times are whole seconds. Source: reliability, section 3.
 */
const CLOCK_ALLOWANCE_MS = 5_000;
/** What Twilio puts before every text of a trial account, in its list too. */
const TRIAL_PREFIX = 'Sent from your Twilio trial account - ';

/**
 * SMS through Twilio. `send` makes exactly one request and never throws for what Twilio or the network did. `find`
 * throws `GatewayUnavailableError` (retryable) when Twilio could not be asked: nothing found and not asked are not the
 * same.
 */
export function createSmsChannel(options: SmsChannelOptions): SmsChannel {
  const client = createTwilioClient(options);
  return {
    send: (message) => send(client, options, message),
    find: (query) => find(client, query),
    close: () => {
      client.close();
    },
  };
}

async function send(
  client: TwilioClient,
  { from, statusCallbackUrl }: SmsChannelOptions,
  { to, body, attemptId }: OutgoingMessage,
): Promise<SendResult> {
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  const callback = statusCallbackUrl === undefined ? {} : { statusCallback: statusCallbackUrl(attemptId) };
  try {
    const { sid, status } = await client.createMessage({ to, body, from, ...callback });
    if (sid !== null) return { kind: 'accepted', sid, status, latencyMs: latencyMs() };
    return {
      kind: 'ambiguous',
      code: 'no_sid',
      message: 'Twilio answered without a sid',
      latencyMs: latencyMs(),
    };
  } catch (error) {
    if (!(error instanceof TwilioCallError)) throw error;
    const { failure, code, message, retryAfterMs } = error;
    const known = { code, message, latencyMs: latencyMs() };
    if (failure === 'unsent' && retryAfterMs !== undefined) return { kind: failure, ...known, retryAfterMs };
    return { kind: failure, ...known };
  }
}

async function find(client: TwilioClient, { to, body, since }: FindQuery): Promise<FoundMessage[]> {
  const oldestMs = Date.parse(since) - CLOCK_ALLOWANCE_MS;
  if (Number.isNaN(oldestMs)) throw new RangeError('since must be an RFC 3339 time');
  const found: FoundMessage[] = [];
  try {
    // No DateSent filter: a message that is still queued has no such date and would be missing.
    for await (const page of client.messagesTo(to)) {
      const recent = page.filter(({ createdAtMs }) => createdAtMs === null || createdAtMs >= oldestMs);
      found.push(
        ...recent.filter((message) => isThisText(message, body)).map(({ sid, status }) => ({ sid, status })),
      );
      // Twilio orders by date but not to the second, so only a page without one recent message ends the search.
      if (recent.length === 0) break;
    }
  } catch (error) {
    if (!(error instanceof TwilioCallError)) throw error;
    const { retryAfterMs } = error;
    throw new GatewayUnavailableError(
      `Twilio's list could not be read (${error.code})`,
      retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) },
    );
  }
  return found;
}

function isThisText(message: TwilioMessage, body: string): boolean {
  return message.isOutbound && (message.body === body || message.body === `${TRIAL_PREFIX}${body}`);
}
