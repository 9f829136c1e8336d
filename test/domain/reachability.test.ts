import { reach, type Person, type ReachRules } from '../../src/domain/reachability';
import type { TemplateDefinition } from '../../src/domain/templates';

const NOW = new Date('2026-11-21T12:00:00Z');
const HOUR_MS = 3_600_000;

const definition: TemplateDefinition = {
  state: 'ENABLED',
  urgent: false,
  expiresAfterSeconds: 86_400,
  onAmbiguous: { sms: 'resend', whatsapp: 'resend', voice: 'hold' },
  defaultLanguage: 'en',
  contents: [
    { language: 'en', channel: 'whatsapp', body: 'Order <orderId> by WhatsApp' },
    { language: 'en', channel: 'sms', body: 'Order <orderId> by SMS' },
  ],
};
const message = {
  definition,
  facts: { orderId: '42' },
  channels: ['whatsapp', 'sms', 'voice'] as const,
};
const person: Person = {
  country: 'DE',
  language: null,
  timeZone: null,
  quietHours: null,
  messagesToday: 1,
  known: {},
};
const rules: ReachRules = {
  configured: new Set(['whatsapp', 'sms', 'voice']),
  countries: null,
  dailyMax: null,
  timeZone: 'UTC',
  quietHours: null,
};

it('takes the first channel that is left', () => {
  expect(reach(message, person, rules, NOW)).toEqual({
    kind: 'send',
    channel: 'whatsapp',
    content: { body: 'Order 42 by WhatsApp', language: 'en' },
    skipped: [],
  });
});

it.each([
  ['has no sender', { rules: { configured: new Set(['sms']) } }, 'channel_not_configured'],
  ['the person opted out of', { known: { whatsapp: { optedOut: true, lastInboundAt: null } } }, 'opted_out'],
  [
    'takes no free text a day after the person wrote',
    { known: { whatsapp: { optedOut: false, lastInboundAt: NOW.getTime() - 24 * HOUR_MS - 1 } } },
    'outside_window',
  ],
])('passes over a channel that %s', (_what, { rules: changed, ...wishes }: Record<string, object>, code) => {
  expect(reach(message, { ...person, ...wishes }, { ...rules, ...changed }, NOW)).toMatchObject({
    kind: 'send',
    channel: 'sms',
    skipped: [{ channel: 'whatsapp', code }],
  });
});

it('sends free text by WhatsApp while the person wrote within a day', () => {
  const known = { whatsapp: { optedOut: false, lastInboundAt: NOW.getTime() - 24 * HOUR_MS } };

  expect(reach(message, { ...person, known }, rules, NOW)).toMatchObject({ channel: 'whatsapp' });
});

it('sends an approved template by WhatsApp whenever it is', () => {
  const contentSid = `HX${'0'.repeat(32)}`;
  const contents = [{ ...definition.contents[0]!, contentSid }];
  const known = { whatsapp: { optedOut: false, lastInboundAt: 0 } };

  expect(
    reach({ ...message, definition: { ...definition, contents } }, { ...person, known }, rules, NOW),
  ).toMatchObject({ channel: 'whatsapp', content: { contentSid } });
});

it('suppresses what no channel is left for, and says why of each', () => {
  const known = { sms: { optedOut: true, lastInboundAt: null } };

  expect(reach({ ...message, channels: ['sms', 'voice'] }, { ...person, known }, rules, NOW)).toEqual({
    kind: 'suppress',
    code: 'opted_out',
    skipped: [
      { channel: 'sms', code: 'opted_out' },
      { channel: 'voice', code: 'no_content' },
    ],
  });
});

it.each([
  ['another country', { country: 'GB' }, 'country_not_allowed'],
  ['a country that nobody can tell', { country: null }, 'country_not_allowed'],
  ['a number that had its share of the day', { messagesToday: 4 }, 'daily_cap_reached'],
])('suppresses a message to %s', (_what, wishes, code) => {
  const allowed = { ...rules, countries: new Set(['DE']), dailyMax: 3 };

  expect(reach(message, { ...person, ...wishes }, allowed, NOW)).toEqual({
    kind: 'suppress',
    code,
    skipped: [],
  });
  expect(reach(message, { ...person, messagesToday: 3 }, allowed, NOW).kind).toBe('send');
});

describe('quiet hours', () => {
  const quiet = { ...rules, quietHours: { from: '11:00', until: '13:00' } };

  it('hold a message back until they end', () => {
    expect(reach(message, person, quiet, NOW)).toEqual({
      kind: 'wait',
      until: new Date('2026-11-21T13:00:00Z'),
    });
  });

  it('do not hold back what is urgent', () => {
    const urgent = { ...message, definition: { ...definition, urgent: true } };

    expect(reach(urgent, person, quiet, NOW).kind).toBe('send');
  });

  it("are the person's own, in the person's own time zone, where there are any", () => {
    const night = { from: '21:00', until: '06:00' };
    const wishes = { timeZone: 'Asia/Tokyo', quietHours: night };

    expect(reach(message, { ...person, ...wishes }, quiet, NOW)).toEqual({
      kind: 'wait',
      until: new Date('2026-11-21T21:00:00Z'),
    });
    expect(reach(message, { ...person, ...wishes, timeZone: 'UTC' }, quiet, NOW).kind).toBe('send');
  });

  it('do not keep a message that nobody could be sent', () => {
    const none = { ...quiet, configured: new Set<string>() };

    expect(reach(message, person, none, NOW).kind).toBe('suppress');
  });
});
