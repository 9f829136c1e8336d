import type { ChannelName } from './message-status';
import { renderMessageText } from './message-text';
import { formatMoney } from './money';

/**
 * What people are told. A template is named after the event that it tells of; each change is a new version, and a
 * notification keeps the version that it began with.
 */
export const TEMPLATE_NAMES = [
  'order.confirmed',
  'order.payment_failed',
  'order.cancelled',
  'order.refunded',
  'order.shipped',
  'order.delivered',
  'order.expired',
] as const;
export type TemplateName = (typeof TEMPLATE_NAMES)[number];

export function isTemplateName(name: string): name is TemplateName {
  return (TEMPLATE_NAMES as readonly string[]).includes(name);
}

export interface TemplateDefinition {
  /** DISABLED: nobody is told. */
  state: 'ENABLED' | 'DISABLED';
  /** Quiet hours do not hold it back. */
  urgent: boolean;
  /** From the event on; the news is too old to be sent after that. */
  expiresAfterSeconds: number;
  /** What becomes of a message that may have been accepted and that two look-ups did not find. */
  onAmbiguous: Record<ChannelName, 'resend' | 'hold'>;
  /** BCP 47: for people whose language is not known or has no text. */
  defaultLanguage: string;
  contents: TemplateContent[];
}

/** The words for one language on one channel. Body and the variables' values may name `<variables>`. */
export interface TemplateContent {
  /** BCP 47, in its canonical form, for instance `en` or `de-AT`. */
  language: string;
  channel: ChannelName;
  /** With `contentSid`: the approved text, because a message is found again at the provider by its text. */
  body: string;
  /** WhatsApp only: an approved template (`HX…`) of the account. */
  contentSid?: string | undefined;
  /** Its variables, by number from 1. */
  contentVariables?: Record<string, string> | undefined;
}

/** What a message may tell of its event. Amounts are minor units of `currency`. */
export interface MessageFacts {
  orderId: string;
  totalMinor?: number | undefined;
  amountMinor?: number | undefined;
  currency?: string | undefined;
}

/** What a person gets on one channel, rendered. The shape that the channels take. */
export interface MessageContent {
  body: string;
  /** BCP 47: how a call speaks it. */
  language: string;
  contentSid?: string;
  contentVariables?: Record<string, string>;
}

export type MessageVariable = 'orderId' | 'total' | 'amount';

/** What each event knows. Source: the HTTP contract, "States and events". */
const VARIABLES: Readonly<Record<TemplateName, readonly MessageVariable[]>> = {
  'order.confirmed': ['orderId', 'total'],
  'order.payment_failed': ['orderId'],
  'order.cancelled': ['orderId'],
  'order.refunded': ['orderId', 'amount'],
  'order.shipped': ['orderId'],
  'order.delivered': ['orderId'],
  'order.expired': ['orderId'],
};

/** The variables that a template may name: those that its event has. */
export function variablesOf(name: TemplateName): readonly MessageVariable[] {
  return VARIABLES[name];
}

/**
 * What a person is told on one channel: in their language, else in a wider form of it (`de-AT`, then `de`), else in the
 * template's default language.
 * @returns null when this channel has no words in any of these
 * @throws RangeError when the facts lack what the words name: a bug, because a template may only name what its event has
 */
export function renderContent(
  definition: TemplateDefinition,
  options: { channel: ChannelName; language: string | null; facts: MessageFacts },
): MessageContent | null {
  const content = contentFor(definition, options);
  return content === null ? null : renderOne(content, options.facts);
}

function contentFor(
  { contents, defaultLanguage }: TemplateDefinition,
  { channel, language }: { channel: ChannelName; language: string | null },
): TemplateContent | null {
  const ofChannel = contents.filter((content) => content.channel === channel);
  for (const wanted of [language ?? defaultLanguage, defaultLanguage].flatMap(widerForms)) {
    const found = ofChannel.find((content) => content.language === wanted);
    if (found !== undefined) return found;
  }
  return null;
}

/** `zh-Hant-TW`, `zh-Hant`, `zh`. Source: RFC 4647, section 3.4, "Lookup". */
function widerForms(language: string): string[] {
  const subtags = language.split('-');
  return subtags.map((_, index) => subtags.slice(0, subtags.length - index).join('-'));
}

/** The words of one content with the facts in them. @throws RangeError as `renderContent` */
export function renderOne(content: TemplateContent, facts: MessageFacts): MessageContent {
  const { language, contentSid, contentVariables } = content;
  const values = valuesOf(facts);
  return {
    body: renderMessageText(content.body, values),
    language,
    ...(contentSid === undefined ? {} : { contentSid }),
    ...(contentVariables === undefined ? {} : { contentVariables: renderAll(contentVariables, values) }),
  };
}

function renderAll(
  texts: Record<string, string>,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, renderMessageText(text, values)]),
  );
}

/** Amounts look alike in all languages: the forms of many locales have no-break spaces, which make an SMS UCS-2. */
function valuesOf({ orderId, totalMinor, amountMinor, currency }: MessageFacts): Record<string, string> {
  const money = (minor: number | undefined, name: MessageVariable): Record<string, string> =>
    minor === undefined || currency === undefined ? {} : { [name]: formatMoney(minor, currency) };
  return { orderId, ...money(totalMinor, 'total'), ...money(amountMinor, 'amount') };
}
