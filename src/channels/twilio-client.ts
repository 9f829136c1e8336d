import twilio, { type Twilio } from 'twilio';
import type { MessageInstance } from 'twilio/lib/rest/api/v2010/account/message';
import { TwilioCallError } from './twilio-answer';
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

export interface OutgoingSms {
  to: string;
  body: string;
  /** A phone number or sender id, or the sid (`MG…`) of a messaging service that picks one. */
  from: string;
  /** Where Twilio reports what becomes of the message. Left out when there is none. */
  statusCallback?: string;
}

/** What Twilio knows of a message. */
export interface TwilioMessage {
  sid: string;
  status: string;
  body: string;
  /** Inbound messages stand in the same list. */
  isOutbound: boolean;
  /** Milliseconds since 1970, whole seconds; null when Twilio names none. */
  createdAtMs: number | null;
}

export interface TwilioClient {
  /** The package's client, for resources that have no method here. */
  readonly rest: Twilio;
  /**
   * One POST, never repeated. The sid is null when the answer had none: the message may have been accepted all the same.
   * @throws TwilioCallError
   */
  createMessage(message: OutgoingSms): Promise<{ sid: string | null; status: string }>;
  /**
   * Messages to this number, newest first, page by page, until the caller stops or the list ends.
   * @throws TwilioCallError
   */
  messagesTo(to: string): AsyncGenerator<TwilioMessage[]>;
  close(): void;
}

/** Longer waits hold up the attempt; what is slower is looked up instead. The package's own default is 30 s. */
const TIMEOUT_MS = 10_000;
/** One person seldom gets more since an attempt began, so one page is nearly always enough. */
const PAGE_SIZE = 50;
/** 50,000 messages to one number. A list that goes on for longer leads in a circle. */
const PAGES_MAX = 1000;

/** What both the first page and the following ones are. */
interface MessagesPage {
  instances: MessageInstance[];
  nextPage(): Promise<MessagesPage> | undefined;
}

/** @throws Error when the account sid has another form */
export function createTwilioClient(options: TwilioOptions): TwilioClient {
  const transport = new TwilioTransport({
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    ...(options.baseUrl === undefined ? {} : { baseUrl: options.baseUrl }),
  });
  const rest = twilio(options.accountSid, options.authToken, { httpClient: transport, autoRetry: false });
  return {
    rest,
    async createMessage({ to, body, from, statusCallback }) {
      const sender = from.startsWith('MG') ? { messagingServiceSid: from } : { from };
      const callback = statusCallback === undefined ? {} : { statusCallback };
      const created = await rest.messages.create({ to, body, ...sender, ...callback });
      // The package's types promise a sid; an answer without one is just what must not be taken for success.
      const { sid, status } = created as { sid?: unknown; status?: unknown };
      return {
        sid: typeof sid === 'string' && sid !== '' ? sid : null,
        status: typeof status === 'string' ? status : 'unknown',
      };
    },
    messagesTo: (to) => messagesTo(rest, to),
    close: () => {
      transport.close();
    },
  };
}

async function* messagesTo(rest: Twilio, to: string): AsyncGenerator<TwilioMessage[]> {
  let next: Promise<MessagesPage> | undefined = rest.messages.page({ to, pageSize: PAGE_SIZE });
  for (let pages = 1; next !== undefined; pages += 1) {
    if (pages > PAGES_MAX) throw new TwilioCallError('ambiguous', 'endless_list', 'the list does not end');
    const page: MessagesPage = await next.catch(throwAsCallError);
    yield page.instances.map(readMessage);
    next = page.nextPage();
  }
}

/** The package throws plain errors for a 2xx answer in which it finds no records. */
function throwAsCallError(error: unknown): never {
  if (error instanceof TwilioCallError) throw error;
  throw new TwilioCallError('ambiguous', 'no_list', 'Twilio answered without a list');
}

function readMessage(message: MessageInstance): TwilioMessage {
  const { dateCreated } = message as { dateCreated: unknown };
  return {
    sid: message.sid,
    status: message.status,
    body: message.body,
    isOutbound: message.direction !== 'inbound',
    createdAtMs: dateCreated instanceof Date ? dateCreated.getTime() : null,
  };
}
