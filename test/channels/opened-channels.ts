import type { Channel } from '../../src/channels/channel';
import {
  createTwilioChannels,
  type TwilioChannels,
  type TwilioChannelsOptions,
} from '../../src/channels/twilio-channels';
import { ACCOUNT, FROM, TIMEOUT_MS } from './twilio-subject';

/** Opens channels for the tests of a file and closes them after each one. To be called once, outside of any test. */
export function openedChannels(): (
  baseUrl: string,
  options?: Partial<TwilioChannelsOptions>,
) => Record<'sms' | 'whatsapp' | 'voice', Channel> {
  const opened: TwilioChannels[] = [];
  afterEach(() => {
    opened.splice(0).forEach((twilio) => {
      twilio.close();
    });
  });
  return (baseUrl, options = {}) => {
    const twilio = createTwilioChannels({
      ...ACCOUNT,
      from: { sms: FROM, whatsapp: FROM, voice: FROM },
      baseUrl,
      timeoutMs: TIMEOUT_MS,
      ...options,
    });
    opened.push(twilio);
    return twilio.channels as Record<'sms' | 'whatsapp' | 'voice', Channel>;
  };
}
