import { callResource, hasEnded, newCall, refusalOfCall, type TwilioCall } from './twilio-calls';
import { badRequest, type TwilioRefusal } from './twilio-errors';
import { callJourney } from './twilio-outcomes';
import type { MatchSubject } from './twilio-control';
import type { ResourceRules, TwilioState } from './twilio-resources';

/** `/Calls`. */
export function callRules(state: TwilioState): ResourceRules<TwilioCall> {
  return {
    list: {
      name: 'calls',
      resource: callResource,
      times: { StartTime: ({ startedAt }) => startedAt, EndTime: ({ endedAt }) => endedAt },
    },
    subjectOf,
    refusalOf: refusalOfCall,
    create: (accountSid, form) =>
      newCall({ accountSid, form, journey: callJourney(state.outcomes.take(subjectOf(form))) }),
    evidenceOf,
    update: (call, form) => hangUp(state, call, form),
  };
}

function subjectOf(form: URLSearchParams): MatchSubject {
  return { to: form.get('To'), text: form.get('Url') || form.get('Twiml') || '', channel: 'voice' };
}

function evidenceOf(call: TwilioCall): Record<string, unknown> {
  const { kind, sid, accountSid, channel, to, from, twiml, url, statusCallback } = call;
  const { statusCallbackEvents, detectsMachine, status, journey, at } = call;
  const asked = { statusCallback, statusCallbackEvents, detectsMachine };
  return { kind, sid, accountSid, channel, to, from, twiml, url, ...asked, status, journey, at };
}

/**
 * Source: Call resource, "Update a Call resource": `canceled` ends a call that is not answered yet and leaves another
 * one alone, `completed` ends both. New instructions for a call in progress are not simulated.
 */
function hangUp({ journeys }: TwilioState, call: TwilioCall, form: URLSearchParams): TwilioRefusal | null {
  const status = form.get('Status');
  if (status !== 'canceled' && status !== 'completed') {
    return badRequest(20001, 'Status must be canceled or completed: the fake changes nothing else');
  }
  if (hasEnded(call.status)) return badRequest(21220, 'Call is not in-progress. Cannot redirect.');
  const isAnswered = call.startedAt !== null;
  if (isAnswered && status === 'canceled') return null;
  journeys.hangUp(call, isAnswered ? 'completed' : 'canceled');
  return null;
}
