import { CHANNELS } from '../domain/message-status';
import { CustomerId, pageMembers, queryMembers, Timestamp, Uuid } from './schemas';
import { z } from './zod';

/** What notifications look like in requests and answers. */

export const NOTIFICATION_STATUSES = ['PENDING', 'DELIVERED', 'UNREACHED', 'SUPPRESSED', 'EXPIRED'] as const;
export const ATTEMPT_STATES = ['READY', 'SENDING', 'ACCEPTED', 'REJECTED', 'AMBIGUOUS', 'HELD'] as const;
const OUTCOMES = ['delivered', 'failed', 'silent', 'suppressed'] as const;
const RESOLUTIONS = ['callback', 'look_up', 'late_answer', 'resend', 'operator', 'abandoned'] as const;

export const Channel = z.enum(CHANNELS);
/** Of Twilio: a message or a call. */
const MessageSid = z
  .string()
  .regex(/^(SM|MM|CA)[0-9a-fA-F]{32}$/, 'This must be a sid such as SM and 32 hexadecimal digits.')
  .openapi({ example: 'SM00000000000000000000000000000001' });
const TemplateOfEvent = z
  .string()
  .regex(/^[a-z_.]{1,64}$/, 'This must be the name of a template.')
  .openapi({ example: 'order.confirmed' });

export const NotificationQuery = z.strictObject({
  status: z.enum(NOTIFICATION_STATUSES).optional(),
  template: TemplateOfEvent.optional(),
  customerId: CustomerId.optional(),
  orderId: queryMembers.uuid.optional(),
  from: queryMembers.timestamp.optional().openapi({ description: 'Created then or later' }),
  to: queryMembers.timestamp.optional().openapi({ description: 'Created before' }),
  channel: Channel.optional().openapi({ description: 'With an attempt on this channel' }),
  messageSid: MessageSid.optional(),
  attemptState: z
    .enum(ATTEMPT_STATES)
    .optional()
    .openapi({ description: 'With an attempt in this state; HELD: an operator decides' }),
  wasAmbiguous: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .openapi({ type: 'boolean', description: 'Whether the outcome of an attempt was unknown for a time' }),
  ...pageMembers,
});

const Attempt = z.object({
  attemptId: Uuid,
  n: z.int().openapi({ description: 'Counts over all channels' }),
  channel: Channel,
  state: z.enum(ATTEMPT_STATES),
  outcome: z.enum(OUTCOMES).nullable(),
  claims: z.int().openapi({ description: 'How often a sender took it up' }),
  latencyMs: z.int().nullable().openapi({ description: 'Of the last call to the provider' }),
  acceptedMs: z.int().nullable().openapi({ description: 'From creation to acceptance' }),
  outcomeMs: z.int().nullable().openapi({ description: 'From acceptance to the outcome' }),
  messageSid: z.string().nullable(),
  providerStatus: z.string().nullable(),
  answeredBy: z.string().nullable().openapi({ description: 'Calls only' }),
  errorCode: z.string().nullable().openapi({ description: "Twilio's own, or one of docs/notifications.md" }),
  wasAmbiguous: z.boolean(),
  resolvedBy: z.enum(RESOLUTIONS).nullable(),
  lookUps: z.int(),
  createdAt: Timestamp,
  nextAttemptAt: Timestamp.nullable(),
  startedAt: Timestamp.nullable(),
  lookedUpAt: Timestamp.nullable(),
  acceptedAt: Timestamp.nullable(),
  finishedAt: Timestamp.nullable(),
  outcomeAt: Timestamp.nullable(),
});

export const Notification = z
  .object({
    notificationId: Uuid,
    orderId: Uuid,
    eventId: Uuid,
    customerId: z.string(),
    template: z.string(),
    templateVersion: z.int(),
    language: z.string().nullable(),
    channels: z.array(Channel).openapi({ description: 'In the order in which they are tried' }),
    status: z.enum(NOTIFICATION_STATUSES),
    reason: z.string().nullable().openapi({ description: 'Why it ended so' }),
    skipped: z.array(z.object({ channel: Channel, code: z.string() })),
    expiresAt: Timestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp,
    endedAt: Timestamp.nullable(),
    attempts: z.array(Attempt),
  })
  .openapi('Notification');

export const UnknownCallback = z
  .object({
    messageSid: z.string(),
    status: z.string(),
    errorCode: z.string().nullable(),
    answeredBy: z.string().nullable(),
    received: z.int().openapi({ description: 'How often it came' }),
    receivedAt: Timestamp,
  })
  .openapi('UnknownCallback');

const count = z.int();
const ReasonCount = z.object({ reason: z.string().nullable(), count });

export const NotificationCounts = z
  .object({
    from: Timestamp,
    to: Timestamp,
    notifications: z.object({
      total: count,
      pending: count,
      delivered: count,
      unreached: count,
      suppressed: count,
      expired: count,
    }),
    suppressed: z.array(ReasonCount),
    unreached: z.array(ReasonCount),
    channels: z.array(
      z.object({
        channel: Channel,
        attempts: count,
        accepted: count,
        delivered: count,
        failed: count,
        silent: count,
        rejected: count,
        ambiguous: count,
      }),
    ),
    fallbacks: z.array(z.object({ from: Channel, to: Channel, reason: z.string().nullable(), count })),
    ambiguous: z.object({
      total: count,
      callback: count,
      lookUp: count,
      lateAnswer: count,
      resend: count,
      operator: count,
      abandoned: count,
      held: count,
      open: count,
    }),
    skipped: z.array(z.object({ channel: Channel, code: z.string(), count })),
  })
  .openapi('NotificationCounts');
