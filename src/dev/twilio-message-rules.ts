import { badRequest, type TwilioRefusal } from './twilio-errors';
import {
  channelOf,
  isServicePick,
  messageResource,
  newMessage,
  refusalOfMessage,
  type TwilioMessage,
} from './twilio-messages';
import { messageJourney } from './twilio-outcomes';
import type { MatchSubject } from './twilio-control';
import type { Journey } from './twilio-records';
import type { ResourceRules, TwilioState } from './twilio-resources';

/** `/Messages`: SMS and WhatsApp. */
export function messageRules(state: TwilioState): ResourceRules<TwilioMessage> {
  const subjectOf = (form: URLSearchParams): MatchSubject => {
    const to = form.get('To');
    return { to, text: textOf(state, form), channel: channelOf(to ?? '') };
  };
  return {
    list: {
      name: 'messages',
      resource: messageResource,
      times: { DateSent: ({ sentAt }) => sentAt },
    },
    subjectOf,
    refusalOf: (form) => refusalOf(state, form),
    create: (accountSid, form) => {
      const body = textOf(state, form);
      return newMessage({ accountSid, form, body, journey: journeyOf(state, form, subjectOf(form)) });
    },
    evidenceOf,
    update: (message, form) => redact(state, message, form),
  };
}

function textOf({ contents }: TwilioState, form: URLSearchParams): string {
  const rendered = contents.render(form);
  return 'body' in rendered ? rendered.body : '';
}

function refusalOf({ contents, people }: TwilioState, form: URLSearchParams): TwilioRefusal | null {
  const rendered = contents.render(form);
  // With a refused template the addresses are still looked at first, as for a text of its own.
  const isRendered = 'body' in rendered;
  const refusal = refusalOfMessage(form, isRendered ? rendered.body : 'x');
  if (refusal) return refusal;
  if (!isRendered) return rendered.refusal;
  return people.isOptedOut(form.get('To') ?? '', form.get('From'))
    ? badRequest(21610, 'Attempt to send to unsubscribed recipient')
    : null;
}

function journeyOf({ outcomes, people }: TwilioState, form: URLSearchParams, subject: MatchSubject): Journey {
  const isFreeText = subject.channel === 'whatsapp' && !form.get('ContentSid');
  return messageJourney({
    outcome: outcomes.take(subject),
    first: isServicePick(form) ? 'accepted' : 'queued',
    isOutsideWindow: isFreeText && !people.isWindowOpen(subject.to ?? '', form.get('From')),
  });
}

function evidenceOf(message: TwilioMessage): Record<string, unknown> {
  const { sid, accountSid, channel, to, from, messagingServiceSid, contentSid } = message;
  const { text, statusCallback, status, journey, at } = message;
  const sender = { from, messagingServiceSid, contentSid };
  return { sid, accountSid, channel, to, ...sender, body: text, statusCallback, status, journey, at };
}

/** Source: Message resource, "Update a Message resource": an empty Body redacts, and nothing else can be changed. */
function redact({ log }: TwilioState, message: TwilioMessage, form: URLSearchParams): TwilioRefusal | null {
  if (form.get('Status') === 'canceled') return badRequest(30409, 'This message cannot be canceled');
  if (form.get('Body') !== '') return badRequest(20001, 'Body must be empty: it redacts the message');
  message.text = '';
  message.updatedAt = new Date().toISOString();
  log.append({ type: 'redacted', sid: message.sid, at: message.updatedAt });
  return null;
}
