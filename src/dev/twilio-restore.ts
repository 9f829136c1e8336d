import { z } from 'zod';
import type { StoredEvidence } from './evidence-log';
import type { TwilioCall } from './twilio-calls';
import { contentSchema, type TwilioContents } from './twilio-contents';
import { reach, type TwilioSubject } from './twilio-journeys';
import { channelOf, type TwilioMessage } from './twilio-messages';
import { nextStatus, type Journey } from './twilio-records';
import type { TwilioPeople } from './twilio-people';
import type { TwilioResource } from './twilio-resources';

/** Of an entry that an older version wrote: nothing more happens to it. */
const ENDED: Journey = { statuses: [], errorCode: null, answeredBy: null };

const controlEntry = z.object({ document: z.object({ contents: z.array(contentSchema) }) });

/** What the log is read into. */
export interface Restored {
  messages: TwilioResource<TwilioMessage>;
  calls: TwilioResource<TwilioCall>;
  people: TwilioPeople;
  contents: TwilioContents;
}

/**
 * Makes what was so before a restart so again: messages, calls, their statuses, what people wrote, content templates.
 * Settings, planned faults and outcomes are not kept.
 * @returns the messages and calls whose journey the end of the process interrupted
 */
export function restore(entries: readonly StoredEvidence[], into: Restored): TwilioSubject[] {
  const subjects = new Map<string, TwilioSubject>();
  for (const entry of entries) restoreEntry(entry, into, subjects);
  return [...subjects.values()].filter((subject) => nextStatus(subject) !== undefined);
}

function restoreEntry(entry: StoredEvidence, into: Restored, subjects: Map<string, TwilioSubject>): void {
  const sid = String(entry['sid']);
  const subject = subjects.get(sid);
  if (entry.type === 'accepted') {
    const accepted = entry['kind'] === 'call' ? callOf(entry) : messageOf(entry);
    subjects.set(sid, accepted);
    if (accepted.kind === 'call') into.calls.records.add(accepted);
    else into.messages.records.add(accepted);
  } else if (entry.type === 'inbound') {
    const inbound = inboundOf(entry);
    subjects.set(sid, inbound);
    into.messages.records.add(inbound);
    into.people.note(inbound);
  } else if (entry.type === 'status' && subject) {
    reach(subject, String(entry['status']), entry.at);
  } else if (entry.type === 'redacted' && subject) {
    Object.assign(subject, { text: '', updatedAt: entry.at });
  } else if (entry.type === 'deleted' && subject) {
    subjects.delete(sid);
    if (subject.kind === 'call') into.calls.remove(subject);
    else into.messages.remove(subject);
  } else if (entry.type === 'control') {
    const control = controlEntry.safeParse(entry);
    if (control.success) into.contents.add(control.data.document.contents);
  }
}

function messageOf(entry: StoredEvidence): TwilioMessage {
  const { body, ...given } = entry;
  return {
    kind: 'message',
    channel: channelOf(String(entry['to'])),
    direction: 'outbound-api',
    contentSid: null,
    journey: ENDED,
    ...given,
    text: String(body),
    reached: [],
    updatedAt: entry.at,
    sentAt: null,
    errorCode: null,
  } as unknown as TwilioMessage;
}

function callOf(entry: StoredEvidence): TwilioCall {
  const { url, twiml } = entry as { url?: string | null; twiml?: string | null };
  return {
    journey: ENDED,
    ...entry,
    text: url ?? twiml ?? '',
    reached: [],
    updatedAt: entry.at,
    startedAt: null,
    endedAt: null,
    answeredBy: null,
  } as unknown as TwilioCall;
}

/** A message that a person wrote, from its evidence. */
export function inboundOf(entry: Record<string, unknown> & { at: string }): TwilioMessage {
  const from = String(entry['from']);
  return {
    kind: 'message',
    sid: String(entry['sid']),
    accountSid: String(entry['accountSid']),
    channel: channelOf(from),
    direction: 'inbound',
    to: String(entry['to']),
    from,
    messagingServiceSid: null,
    contentSid: null,
    text: String(entry['body']),
    statusCallback: null,
    status: 'received',
    journey: ENDED,
    reached: [],
    at: entry.at,
    updatedAt: entry.at,
    sentAt: entry.at,
    errorCode: null,
  };
}
