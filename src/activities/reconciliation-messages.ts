import type { Channel, ListedMessage } from '../channels/channel';
import { unownedMessages } from '../database/reconciliation-candidates';
import type { PhoneHash } from '../database/phone-hash';
import type { Pool } from '../database/pool';
import type { ChannelName } from '../domain/message-status';
import { DETECTORS, type Finding } from '../domain/reconciliation';

/** Messages that are compared with one query. */
const PAGE = 500;

export interface MessagesDeps {
  pool: Pool;
  channels: Partial<Record<ChannelName, Channel>>;
  phoneHash: PhoneHash;
}

/** Messages that our senders sent and that no attempt owns, page by page of the provider's lists. */
export async function* findMessages(
  deps: MessagesDeps,
  look: { now: Date; since: string },
): AsyncGenerator<Finding[], void, undefined> {
  for (const [name, channel] of Object.entries(deps.channels)) {
    if (channel?.list === undefined) continue;
    const listed = await channel.list(look.since);
    const old = listed.filter((message) => isOld(message, look.now));
    for (let start = 0; start < old.length; start += PAGE) {
      yield await unowned(deps, name as ChannelName, old.slice(start, start + PAGE));
    }
  }
}

/** One that the provider gives no time for may be new. */
function isOld({ createdAt }: ListedMessage, now: Date): boolean {
  return createdAt !== null && Date.parse(createdAt) < now.getTime() - DETECTORS.unowned_message.graceMs;
}

async function unowned(
  { pool, phoneHash }: MessagesDeps,
  channel: ChannelName,
  messages: readonly ListedMessage[],
): Promise<Finding[]> {
  const hashed = messages.map(({ sid, to }) => ({ sid, phoneHash: phoneHash(to) }));
  const sids = new Set(await unownedMessages(pool, channel, hashed));
  return messages
    .filter(({ sid }) => sids.has(sid))
    .map(({ sid, createdAt }) => ({
      detector: 'unowned_message',
      subject: `message:${sid}`,
      orderId: null,
      detail: { channel, createdAt },
    }));
}
