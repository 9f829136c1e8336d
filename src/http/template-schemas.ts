import { TEMPLATE_NAMES } from '../domain/templates';
import { Timestamp } from './schemas';
import { Channel } from './notification-documents';
import { z } from './zod';

/** Source: RFC 5646, section 4.4.1: room for every tag that is in use. */
const LANGUAGE_CHARACTERS_MAX = 35;

/** A channel that a person is told on. */

/** Whether it is one is checked where it is used: each place has an error of its own. */
export const LanguageTag = z
  .string()
  .max(LANGUAGE_CHARACTERS_MAX)
  .openapi({ example: 'de-AT', description: 'BCP 47' });

const Content = z.strictObject({
  language: LanguageTag,
  channel: Channel,
  body: z.string().openapi({
    description: 'Names variables as `<orderId>`; `\\<` is the character itself',
    example: 'Order #<orderId> confirmed.',
  }),
  contentSid: z
    .string()
    .optional()
    .openapi({ description: 'WhatsApp: an approved template, whose text the body must be' }),
  contentVariables: z
    .record(z.string(), z.string())
    .optional()
    .openapi({ description: 'The values of its variables, by number', example: { 1: '<orderId>' } }),
});

const OnAmbiguous = z.enum(['resend', 'hold']);

/** Forms only: limits and languages are checked with the name, by `checkTemplate`. */
export const NewTemplate = z
  .strictObject({
    state: z
      .enum(['ENABLED', 'DISABLED'])
      .default('ENABLED')
      .openapi({ description: 'DISABLED: nobody is told' }),
    urgent: z.boolean().default(false).openapi({ description: 'Quiet hours do not hold it back' }),
    expiresAfterSeconds: z
      .int()
      .default(86_400)
      .openapi({ description: '60 to 604800. Not sent later than this after its event' }),
    onAmbiguous: z
      .strictObject({
        whatsapp: OnAmbiguous.default('resend'),
        sms: OnAmbiguous.default('resend'),
        voice: OnAmbiguous.default('hold'),
      })
      .prefault({})
      .openapi({ description: 'What becomes of a message that two look-ups at the provider did not find' }),
    defaultLanguage: LanguageTag,
    contents: z.array(Content).openapi({ description: '1 to 100, each language and channel once' }),
  })
  .openapi('NewTemplate');

export const TemplateName = z.enum(TEMPLATE_NAMES).openapi({ example: 'order.confirmed' });

export const Template = z
  .object({
    name: TemplateName,
    version: z.int(),
    ...NewTemplate.shape,
    actor: z.string().openapi({ description: 'Who wrote this version' }),
    createdAt: Timestamp,
  })
  .openapi('Template');
