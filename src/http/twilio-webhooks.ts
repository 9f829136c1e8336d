import { Router, type Request } from 'express';
import { recordInbound } from '../database/inbound';
import { recordReport } from '../database/provider-reports';
import { wishOf } from '../domain/inbound-words';
import { rankOf, TWILIO_STATUS_PATH } from '../domain/message-status';
import { MalformedRequestError, SignatureRefusedError } from '../errors';
import { assertTemporal, requireDatabase } from './availability';
import { wakeNotification } from './bus-workflows';
import type { HttpDeps } from './deps';
import { memberOf, readFormBody, type Form } from './form-body';
import { answers, type Operation } from './operations';
import { route, type Handler } from './routes';
import { readUuid } from './schemas';
import { channelOf, reportOf } from './twilio-report';
import { z } from './zod';

const INBOUND_PATH = '/webhooks/twilio/inbound';

/** What Twilio tells of messages and calls, and what people write. No key: the signature says who it is from. */
export function twilioWebhooksRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, TWILIO_STATUS_PATH, { post: { handle: withDatabase(status(deps)) } });
  route(router, INBOUND_PATH, { post: { handle: withDatabase(inbound(deps)) } });
  return router;
}

/**
 * A form that Twilio signed. The signature is over the public URL, as Twilio was given it: what a proxy made of the
 * request's host and path does not count.
 * @throws SignatureRefusedError, and what `readFormBody` throws
 */
async function readSignedForm(deps: Pick<HttpDeps, 'twilio' | 'publicUrl'>, req: Request): Promise<Form> {
  const params = await readFormBody(req);
  if (deps.publicUrl === null) {
    throw new SignatureRefusedError(
      'AFTERCOMMIT_PUBLIC_URL is not set, and without it no signature can be checked.',
    );
  }
  const url = `${deps.publicUrl.replace(/\/+$/, '')}${req.originalUrl}`;
  // Node joins a doubled header by a comma, which no signature has.
  const signature = String(req.headers['x-twilio-signature'] ?? '');
  if (!deps.twilio.isSigned({ url, params, signature })) {
    throw new SignatureRefusedError(
      'X-Twilio-Signature is missing or not that of this form at AFTERCOMMIT_PUBLIC_URL.',
    );
  }
  return params;
}

/** The row first, then the wake-up. A repeat does both again, and reconciliation finds what a lost wake-up left. */
function status(deps: HttpDeps): Handler {
  return async (req, res) => {
    const form = await readSignedForm(deps, req);
    const report = reportOf(form);
    const reported = await recordReport(deps.pool, { ...report, attemptId: attemptIdIn(deps, req) });
    // An unknown word is Twilio's to choose; as a label each would be a series of its own.
    const word = rankOf(report.status) === null ? 'unknown' : report.status;
    deps.metrics.providerCallback({ channel: channelOf(form), status: word, known: reported.known });
    if (reported.settled !== null) deps.metrics.notificationSettled(reported.settled);
    if (reported.wake !== null) {
      assertTemporal(deps.health);
      await wakeNotification(deps, reported.wake);
    }
    res.status(204).end();
  };
}

/** The attempt that the callback's URL names. Without its right token it names none, and the sid may be known all the same. */
function attemptIdIn({ twilio }: Pick<HttpDeps, 'twilio'>, req: Request): string | null {
  const start = req.originalUrl.indexOf('?');
  const query = new URLSearchParams(start < 0 ? '' : req.originalUrl.slice(start + 1));
  const ids = query.getAll('na');
  const tokens = query.getAll('t');
  if (ids.length !== 1 || tokens.length !== 1) return null;
  const attemptId = readUuid(ids[0]!);
  return attemptId !== null && twilio.isFrom(attemptId, tokens[0]!) ? attemptId : null;
}

/** Source: Twilio, "WhatsApp: conversation with a customer", From: the number after `whatsapp:`; E.164 else. */
const SENDER = /^(whatsapp:)?(\+[1-9]\d{6,14})$/;

/** Senders that are no phone numbers (short codes, other networks) are nobody that this service writes to. */
function inbound(deps: HttpDeps): Handler {
  return async (req, res) => {
    const form = await readSignedForm(deps, req);
    const from = memberOf(form, 'From');
    if (from === null) throw new MalformedRequestError('The form has no From.');
    const sender = SENDER.exec(from);
    if (sender !== null) {
      const wish = wishOf({
        body: memberOf(form, 'Body') ?? '',
        optOutType: memberOf(form, 'OptOutType'),
      });
      const channel = sender[1] === undefined ? 'sms' : 'whatsapp';
      await recordInbound(deps.pool, { phoneHash: deps.phoneHash(sender[2]!), channel, wish });
    }
    // Without a verb in it Twilio answers the person nothing. Source: Twilio, "TwiML for Programmable Messaging".
    res.status(200).type('text/xml').send('<Response/>');
  };
}

const SignatureHeader = z.object({
  'x-twilio-signature': z.string().openapi({ description: 'Of the form, over the public URL' }),
});
const formOf = (schema: z.ZodType): NonNullable<NonNullable<Operation['request']>['body']> => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema } },
});
const StatusForm = z.looseObject({
  MessageSid: z.string().optional(),
  MessageStatus: z.string().optional(),
  CallSid: z.string().optional(),
  CallStatus: z.string().optional(),
  ErrorCode: z.string().optional(),
  AnsweredBy: z.string().optional(),
  SipResponseCode: z.string().optional(),
});
const InboundForm = z.looseObject({
  From: z.string(),
  Body: z.string().optional(),
  OptOutType: z.string().optional(),
});
const PROBLEMS = [400, 403, 413, 415, 503];

export const twilioWebhookOperations: Operation[] = [
  {
    method: 'post',
    path: TWILIO_STATUS_PATH,
    tags: ['Webhooks'],
    security: [],
    summary: 'What Twilio reports of a message or a call',
    request: {
      headers: SignatureHeader,
      query: z.object({ na: z.string().optional(), t: z.string().optional() }),
      body: formOf(StatusForm),
    },
    responses: answers({ 204: null }, PROBLEMS),
  },
  {
    method: 'post',
    path: INBOUND_PATH,
    tags: ['Webhooks'],
    security: [],
    summary: 'What a person wrote: STOP and START are heard, and nothing of the text is kept',
    request: { headers: SignatureHeader, body: formOf(InboundForm) },
    responses: {
      ...answers({}, PROBLEMS),
      200: { description: 'No reply to the person', content: { 'text/xml': { schema: z.string() } } },
    },
  },
];
