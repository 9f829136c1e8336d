import { z } from 'zod';
import { jsonAnswer, parseJson, type FakeAnswer } from './fake-server';
import { inboundParams } from './twilio-callback-params';
import type { TwilioCallbacks } from './twilio-callbacks';
import { channelOf, messageResource, type TwilioMessage } from './twilio-messages';
import { optOutTypeOf } from './twilio-people';
import { newSid, type TwilioRecords } from './twilio-records';
import { inboundOf } from './twilio-restore';
import type { TwilioState } from './twilio-resources';

const address = z.string().regex(/^(whatsapp:)?\+[1-9]\d{6,14}$/);

/** `POST /_inbound`: a person writes to a number of the account. */
const inboundSchema = z
  .strictObject({
    from: address,
    to: address,
    body: z.string(),
    /** WhatsApp only. */
    profileName: z.string().optional(),
    /** Default: the account that asked last. */
    accountSid: z.string().optional(),
    /** When it was written, default now: an earlier time closes the WhatsApp window without a day's wait. */
    at: z.iso.datetime().optional(),
  })
  .refine(({ from, to }) => channelOf(from) === channelOf(to), 'from and to must be of the same channel');

type Inbound = z.infer<typeof inboundSchema>;

/** Takes what people write, keeps it as Twilio does, and reports it to `inboundUrl`. */
export class TwilioInbox {
  constructor(
    readonly state: TwilioState,
    readonly messages: TwilioRecords<TwilioMessage>,
    readonly callbacks: TwilioCallbacks,
  ) {}

  /** Answers as soon as the message is written down; the webhook follows. */
  receive(body: string): FakeAnswer {
    const parsed = inboundSchema.safeParse(parseJson(body));
    if (!parsed.success) return jsonAnswer(400, { message: z.prettifyError(parsed.error) });
    const accountSid = parsed.data.accountSid ?? this.state.tokens.lastAccount;
    if (accountSid === undefined) {
      return jsonAnswer(400, { message: 'accountSid is required until an account has made a request' });
    }
    const url = this.state.settings.inboundUrl;
    const authToken = this.state.tokens.signingTokenFor(accountSid);
    if (url !== null && authToken === undefined) {
      return jsonAnswer(400, {
        message: 'no auth token to sign with: set authTokens or make a request first',
      });
    }
    const message = this.#keep(parsed.data, accountSid);
    if (url !== null && authToken !== undefined) {
      this.#report(message, { url, authToken, profileName: parsed.data.profileName ?? null });
    }
    return jsonAnswer(201, messageResource(message));
  }

  #report(
    message: TwilioMessage,
    { url, authToken, profileName }: { url: string; authToken: string; profileName: string | null },
  ): void {
    const { sid, status } = message;
    const params = inboundParams(message, { profileName, optOutType: optOutTypeOf(message) });
    void this.callbacks.sendPlain({ sid, status, url, params, authToken });
  }

  #keep({ from, to, body, at }: Inbound, accountSid: string): TwilioMessage {
    const evidence = {
      sid: newSid('SM'),
      accountSid,
      channel: channelOf(from),
      from,
      to,
      body,
      at: at ?? new Date().toISOString(),
    };
    this.state.log.append({ type: 'inbound', ...evidence });
    const message = inboundOf(evidence);
    this.messages.add(message);
    this.state.people.note(message);
    return message;
  }
}
