import twilio, { type Twilio } from 'twilio';
import { TwilioTransport } from './twilio-transport';

export interface TwilioOptions {
  /** `AC` and 32 hexadecimal digits. */
  accountSid: string;
  authToken: string;
  /** Where Twilio's API is spoken, for instance `http://127.0.0.1:4010`. Default: Twilio itself. */
  baseUrl?: string;
  /** Milliseconds from a call to the end of its answer, connecting included. Default 10,000. */
  timeoutMs?: number;
}

export interface TwilioChannelOptions {
  /** Who the person sees. Which forms are possible depends on the channel. */
  from: string;
  /** The URL at which Twilio reports on this attempt. None is asked for when there is none. */
  statusCallbackUrl?: ((attemptId: string) => string | undefined) | undefined;
}

/** The connections to Twilio that all channels share. */
export interface TwilioClient {
  /** The package's client. Its calls throw `TwilioCallError` for anything but a 2xx answer with a JSON object. */
  readonly rest: Twilio;
  close(): void;
}

/** Longer waits hold up the attempt; what is slower is looked up instead. The package's own default is 30 s. */
const TIMEOUT_MS = 10_000;

/** Makes no call. @throws Error when the account sid has another form */
export function createTwilioClient(options: TwilioOptions): TwilioClient {
  const transport = new TwilioTransport({
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    ...(options.baseUrl === undefined ? {} : { baseUrl: options.baseUrl }),
  });
  return {
    rest: twilio(options.accountSid, options.authToken, { httpClient: transport, autoRetry: false }),
    close: () => {
      transport.close();
    },
  };
}
