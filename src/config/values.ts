import { z } from 'zod';
import { E164 } from '../domain/message-rules';
import { CHANNELS, type ChannelName } from '../domain/message-status';
import { isTimeZone, problemOfQuietHours, type QuietHours } from '../domain/quiet-hours';
import { isWebhookSecret } from '../gateways/webhook-signature';
import { SCOPES, type ApiKey, type Scope } from './settings';

/** What the value of a variable may be, one parser for each kind. Messages never repeat a value. */

export const wholeNumber = (from: number, to: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(from).max(to));
export const url = (...protocols: string[]): z.ZodType<string> =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `must be a URL that begins with ${protocols.join(' or ')}//`,
  });
export const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');

export const apiKeys = z.string().transform((text, context): ApiKey[] =>
  text.split(',').map((entry, index) => {
    const [caller, sha256, ...scopes] = entry.trim().split(':');
    const names = scopes.join(':').split('+');
    const fine =
      /^[A-Za-z0-9._-]{1,64}$/.test(caller ?? '') &&
      /^[0-9a-f]{64}$/i.test(sha256 ?? '') &&
      names.every((name) => (SCOPES as readonly string[]).includes(name));
    if (!fine) {
      context.addIssue(
        `entry ${index + 1} must be name:sha256-of-key:scope+scope, with scopes of ${SCOPES.join(', ')}`,
      );
    }
    return { caller: caller ?? '', sha256: (sha256 ?? '').toLowerCase(), scopes: names as Scope[] };
  }),
);

export const rateLimit = z
  .string()
  .regex(/^[1-9]\d{0,6}\/[1-9]\d{0,3}[smh]$/, 'must look like 100/1m')
  .transform((text) => {
    const [, limit, count, unit] = /^(\d+)\/(\d+)([smh])$/.exec(text)!;
    const unitMs = { s: 1_000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
    return { limit: Number(limit), windowMs: Number(count) * unitMs };
  });

/** `sms=10,voice=1`. @param range - for people */
export const perChannel = (
  range: string,
  from: number,
  to: number,
): z.ZodType<Partial<Record<ChannelName, number>>, string> =>
  z.string().transform((text, context) => {
    const pairs = text.split(',').map((pair) => /^\s*(\w+)=(\d{1,6})\s*$/.exec(pair));
    const values: Partial<Record<ChannelName, number>> = {};
    for (const pair of pairs) {
      const channel = CHANNELS.find((name) => name === pair?.[1]);
      const value = Number(pair?.[2]);
      if (channel === undefined || value < from || value > to || channel in values) {
        context.addIssue(`must look like sms=10,whatsapp=80,voice=1, each ${range}`);
        return z.NEVER;
      }
      values[channel] = value;
    }
    return values;
  });

export const countries = z
  .string()
  .transform(listOf)
  .refine(
    (codes) => codes.every((code) => /^[A-Z]{2}$/.test(code)),
    'must be ISO 3166 codes, for instance DE,AT,CH',
  )
  .transform((codes): ReadonlySet<string> => new Set(codes));

export const quietHours = z.string().transform((text, context): QuietHours => {
  const [, from, until] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  if (from !== undefined && until !== undefined && problemOfQuietHours({ from, until }) === null)
    return { from, until };
  context.addIssue('must look like 22:00-08:00');
  return z.NEVER;
});

export const timeZone = z
  .string()
  .refine(isTimeZone, 'must be an IANA time zone, for instance Europe/Berlin');
export const phoneNumber = z.string().regex(E164, 'must be an E.164 number');
export const whatsappSender = z
  .string()
  .regex(
    /^(whatsapp:)?\+[1-9]\d{6,14}$|^MG[0-9a-fA-F]{32}$/,
    'must be an E.164 number or the sid of a messaging service',
  );

const HOST_AND_PORT = /^[^\s:/,]+:\d{1,5}$/;
export const hostAndPort = z.string().regex(HOST_AND_PORT, 'must be host:port');
export const addresses = z
  .string()
  .transform(listOf)
  .refine(
    (list) => list.every((address) => HOST_AND_PORT.test(address)),
    'must be host:port, separated by commas',
  );

export const secretsKey = z
  .string()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((key) => key.length === 32, 'must be 32 bytes in base64');

/** `whsec_…`, separated by commas: the new one and, during a rotation, the one before. */
export const webhookSecrets = z
  .string()
  .transform(listOf)
  .refine(
    (secrets) => secrets.every(isWebhookSecret),
    'must be whsec_ and 24 to 64 bytes in base64, several separated by commas',
  );

export const stripeKey = z.string().regex(/^(sk|rk)_\w+$/, 'must begin with sk_ or rk_');

/** Of a webhook endpoint; while it is rolled, the new one and the one before, separated by a comma. */
export const stripeWebhookSecrets = z
  .string()
  .transform(listOf)
  .refine(
    (secrets) => secrets.every((secret) => /^whsec_\w+$/.test(secret)),
    'must begin with whsec_, several separated by commas',
  );

function listOf(text: string): string[] {
  return text.split(',').map((entry) => entry.trim());
}
