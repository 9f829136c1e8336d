import type { ChannelName } from './message-status';
import { quietUntil, type QuietHours } from './quiet-hours';
import { renderContent, type MessageContent, type MessageFacts, type TemplateDefinition } from './templates';

/** What the installation allows. */
export interface ReachRules {
  /** Channels that have a sender. */
  configured: ReadonlySet<string>;
  /** ISO 3166 countries that messages are sent to; null: all. Guards against toll fraud. */
  countries: ReadonlySet<string> | null;
  /** Messages to one number on one day (UTC); null: no limit. */
  dailyMax: number | null;
  /** For customers who named none. */
  timeZone: string;
  quietHours: QuietHours | null;
}

/** What is known of the person when an attempt is to be made. */
export interface Person {
  country: string | null;
  language: string | null;
  timeZone: string | null;
  quietHours: QuietHours | null;
  /** This message included; null when nobody counts. */
  messagesToday: number | null;
  /** By channel. `lastInboundAt` in epoch milliseconds. */
  known: Readonly<Partial<Record<ChannelName, { optedOut: boolean; lastInboundAt: number | null }>>>;
}

export interface Skipped {
  channel: ChannelName;
  code: string;
}

export type Reach =
  | { kind: 'send'; channel: ChannelName; content: MessageContent; skipped: Skipped[] }
  /** Quiet hours: not before this. */
  | { kind: 'wait'; until: Date }
  /** No channel is left. `code` says why the first one was not taken. */
  | { kind: 'suppress'; code: string; skipped: Skipped[] };

/** Free text reaches a WhatsApp number for this long after its owner wrote. Source: WhatsApp, customer service window. */
const WHATSAPP_WINDOW_MS = 24 * 3_600_000;

/**
 * Decides whether a person may be told now, and on which of the channels that are left. Pure. Without a record of what
 * the person wrote nobody knows WhatsApp's window: then the message is tried, and the provider says 63016.
 */
export function reach(
  message: { definition: TemplateDefinition; facts: MessageFacts; channels: readonly ChannelName[] },
  person: Person,
  rules: ReachRules,
  now: Date,
): Reach {
  const forbidden = forbiddenFor(person, rules);
  if (forbidden !== null) return { kind: 'suppress', code: forbidden, skipped: [] };

  const skipped: Skipped[] = [];
  for (const channel of message.channels) {
    const { definition, facts } = message;
    const content = renderContent(definition, { channel, language: person.language, facts });
    const code = obstacle(channel, content, { person, rules, now });
    if (code !== null || content === null) {
      skipped.push({ channel, code: code ?? 'no_content' });
      continue;
    }
    const until = definition.urgent ? null : endOfQuiet(person, rules, now);
    return until === null ? { kind: 'send', channel, content, skipped } : { kind: 'wait', until };
  }
  return { kind: 'suppress', code: skipped[0]?.code ?? 'no_channel', skipped };
}

/** Why this person is not told on any channel, or null. */
function forbiddenFor(
  { country, messagesToday }: Person,
  { countries, dailyMax }: ReachRules,
): string | null {
  if (countries !== null && (country === null || !countries.has(country))) return 'country_not_allowed';
  return dailyMax !== null && messagesToday !== null && messagesToday > dailyMax ? 'daily_cap_reached' : null;
}

/** Why this channel cannot be taken, or null. */
function obstacle(
  channel: ChannelName,
  content: MessageContent | null,
  { person, rules, now }: { person: Person; rules: ReachRules; now: Date },
): string | null {
  const known = person.known[channel];
  if (!rules.configured.has(channel)) return 'channel_not_configured';
  if (known?.optedOut === true) return 'opted_out';
  if (content === null) return 'no_content';
  const isFreeText = channel === 'whatsapp' && content.contentSid === undefined;
  const lastInboundAt = known?.lastInboundAt ?? null;
  const isClosed = lastInboundAt !== null && now.getTime() - lastInboundAt > WHATSAPP_WINDOW_MS;
  return isFreeText && isClosed ? 'outside_window' : null;
}

function endOfQuiet(person: Person, rules: ReachRules, now: Date): Date | null {
  const hours = person.quietHours ?? rules.quietHours;
  return hours === null ? null : quietUntil({ now, timeZone: person.timeZone ?? rules.timeZone, ...hours });
}
