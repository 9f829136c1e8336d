import type { Channel } from './channel';
import { createSmsChannel } from './sms';
import { createTwilioClient, type TwilioOptions } from './twilio-client';
import { createVoiceChannel } from './voice';
import { createWhatsappChannel } from './whatsapp';

export interface TwilioChannelsOptions extends TwilioOptions {
  /** The sender of each channel. A channel without one does not exist. */
  from: {
    /** A phone number or sender id of the account, or the sid (`MG…`) of a messaging service. */
    sms: string;
    /** A WhatsApp sender's number, with or without `whatsapp:`, or the sid of a messaging service. */
    whatsapp?: string | undefined;
    /** A phone number of the account, E.164. */
    voice?: string | undefined;
  };
  /** The URL at which Twilio reports on an attempt. Default: no reports, outcomes are read instead. */
  statusCallbackUrl?: ((attemptId: string) => string | undefined) | undefined;
}

export interface TwilioChannels {
  channels: { sms: Channel; whatsapp?: Channel; voice?: Channel };
  /** Closes idle connections; what is open ends with its call. */
  close(): void;
}

/** The channels that go through Twilio, on the same connections. Makes no call. */
export function createTwilioChannels({
  from,
  statusCallbackUrl,
  ...options
}: TwilioChannelsOptions): TwilioChannels {
  const client = createTwilioClient(options);
  const { sms, whatsapp, voice } = from;
  return {
    channels: {
      sms: createSmsChannel(client, { from: sms, statusCallbackUrl }),
      ...(whatsapp === undefined
        ? {}
        : { whatsapp: createWhatsappChannel(client, { from: whatsapp, statusCallbackUrl }) }),
      ...(voice === undefined
        ? {}
        : { voice: createVoiceChannel(client, { from: voice, statusCallbackUrl }) }),
    },
    close: () => {
      client.close();
    },
  };
}
