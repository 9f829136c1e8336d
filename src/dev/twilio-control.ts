import { z } from 'zod';
import { commonSettings, faultTiming } from './fault-plan';
import { contentSchema } from './twilio-contents';
import type { TwilioChannel } from './twilio-records';

/** What a fault or an outcome is aimed at. Without any member: everything. */
const matchSchema = z.strictObject({
  /** Exactly as in the request, `whatsapp:` included. */
  to: z.string().optional(),
  /** Part of the rendered text of a message, or of the TwiML of a call. */
  bodyIncludes: z.string().optional(),
  channel: z.enum(['sms', 'whatsapp', 'voice']).optional(),
});

/**
 * What can go wrong with creating one message or call. `html` and `no_sid` accept it and answer 2xx, one with a page of
 * some box in between, one with a resource that lacks its sid.
 */
const faultSchema = z.strictObject({
  match: matchSchema.optional(),
  action: z.enum([
    '429',
    '500_before_accept',
    '500_after_accept',
    'timeout_after_accept',
    'cut_after_accept',
    'no_sid',
    'html',
    'refuse_connection_like_reset_before_accept',
  ]),
  /** Sent as Retry-After with a 429. */
  retryAfterSeconds: z.int().nonnegative().optional(),
  ...faultTiming,
});

/** What becomes of a message or a call after it was accepted. */
const outcomeSchema = z.strictObject({
  match: matchSchema.optional(),
  /** The statuses after the first one, in order. Any word goes, so that an unknown status can be tried. */
  statuses: z
    .array(z.string().regex(/^[a-z_-]+$/))
    .min(1)
    .optional(),
  /** For `failed` and `undelivered`. Default 30008, unknown error. */
  errorCode: z.int().positive().optional(),
  /** Who picks up a call that asked for MachineDetection. Default `human`. */
  answeredBy: z.string().optional(),
  /** Nothing is heard after this status. The first status (`queued`) means: nothing at all. */
  stopAfter: z.string().optional(),
  /** How many matching requests it decides. Default: all. */
  times: z.int().positive().optional(),
});

const callbacksSchema = z.strictObject({
  /** How many more times each callback is sent. */
  duplicate: z.int().nonnegative().default(0),
  /** The callbacks of one message are held until its last status, then sent last one first. */
  reorder: z.boolean().default(false),
  /** `true`: none is sent. A fraction: this part of them is not, evenly spread, so that a run can be repeated. */
  lose: z.union([z.boolean(), z.number().min(0).max(1)]).default(false),
  /** Milliseconds between a status and its callback. */
  delayMs: z.int().nonnegative().default(0),
  /** The first callback arrives before the create is answered. */
  early: z.boolean().default(false),
});

/** The control document of the fake Twilio. */
export const controlSchema = z.strictObject({
  ...commonSettings,
  /** Messages and calls younger than this many milliseconds are not in the list yet. */
  listLagMs: z.int().nonnegative().optional(),
  /** Milliseconds from one status to the next. */
  statusDelayMs: z.int().nonnegative().optional(),
  callbacks: callbacksSchema.optional(),
  /** Where Twilio reports what people write; null: nowhere. */
  inboundUrl: z
    .url({ protocol: /^https?$/ })
    .nullable()
    .optional(),
  /** The account's auth tokens, the primary one first. Empty: any token will do. */
  authTokens: z.array(z.string().min(1)).optional(),
  faults: z.array(faultSchema).optional(),
  outcomes: z.array(outcomeSchema).optional(),
  contents: z.array(contentSchema).optional(),
});

export type TwilioFault = z.infer<typeof faultSchema>;
export type TwilioFaultAction = TwilioFault['action'];
export type TwilioOutcome = z.infer<typeof outcomeSchema>;
export type CallbackSettings = z.infer<typeof callbacksSchema>;

export interface TwilioSettings {
  down: boolean;
  answerDelayMs: number;
  listLagMs: number;
  statusDelayMs: number;
  callbacks: CallbackSettings;
  inboundUrl: string | null;
}

/** The settings of the start. 50 ms keep the order of callbacks visible and a test short. */
export const DEFAULT_SETTINGS: TwilioSettings = {
  down: false,
  answerDelayMs: 0,
  listLagMs: 0,
  statusDelayMs: 50,
  callbacks: callbacksSchema.parse({}),
  inboundUrl: null,
};

/** What a match is compared with. */
export interface MatchSubject {
  to: string | null;
  text: string;
  channel: TwilioChannel;
}

/** Whether a fault or an outcome is aimed at this request. */
export function matches(match: z.infer<typeof matchSchema> | undefined, subject: MatchSubject): boolean {
  if (match?.to !== undefined && match.to !== subject.to) return false;
  if (match?.channel !== undefined && match.channel !== subject.channel) return false;
  return match?.bodyIncludes === undefined || subject.text.includes(match.bodyIncludes);
}
