/** The ways to reach a person. Source: the HTTP contract, `customer.channels`. */
export const CHANNELS = ['whatsapp', 'sms', 'voice'] as const;
export type ChannelName = (typeof CHANNELS)[number];

/** Where Twilio reports what becomes of a message. */
export const TWILIO_STATUS_PATH = '/webhooks/twilio/status';

/** What a provider's report means for the person; null while nothing final is known. */
export type Outcome = 'delivered' | 'failed';

/**
 * How far each status is: a report of a lower rank than one before changes nothing, so that reports may come late, twice
 * and in any order. Messages and calls share the words that they have in common. What arrived outranks what failed: a
 * carrier may give a message up and deliver it all the same.
 * Source: Twilio, "Track outbound message status" and the Call resource, Status.
 */
const RANKS: Readonly<Record<string, number>> = {
  accepted: 1,
  scheduled: 1,
  queued: 2,
  sending: 3,
  initiated: 3,
  sent: 4,
  ringing: 4,
  'in-progress': 5,
  busy: 6,
  'no-answer': 6,
  canceled: 6,
  failed: 6,
  undelivered: 6,
  delivered: 7,
  completed: 7,
  read: 8,
};

/** The highest rank of a message that is still under way. */
export const RANK_UNDER_WAY_MAX = 5;

const FAILED = ['busy', 'no-answer', 'canceled', 'failed', 'undelivered'];
const DELIVERED = ['delivered', 'read'];
/** A machine or a fax took the call: nobody heard it for sure. Source: Twilio, "Answering machine detection", AnsweredBy. */
const NOBODY = /^(machine|fax)/;

/** 1 and more; null for a word that the provider did not have when this was written. */
export function rankOf(status: string): number | null {
  return Object.hasOwn(RANKS, status) ? RANKS[status]! : null;
}

/** What a report means for the person, with the code that says why it failed. */
export function outcomeOf(report: {
  status: string;
  errorCode: string | null;
  answeredBy?: string | null | undefined;
}): { outcome: Outcome | null; code: string | null } {
  const { status, errorCode, answeredBy } = report;
  if (DELIVERED.includes(status)) return { outcome: 'delivered', code: null };
  if (FAILED.includes(status)) return { outcome: 'failed', code: errorCode ?? status.replaceAll('-', '_') };
  if (status !== 'completed') return { outcome: null, code: errorCode };
  return NOBODY.test(answeredBy ?? '')
    ? { outcome: 'failed', code: 'answered_by_machine' }
    : { outcome: 'delivered', code: null };
}
