import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { signatureHeaders } from '../../../src/bus/targets/webhook-signature';
import type { WebhookSecret } from '../../../src/bus/targets/connection';
import { verifyWebhook, type WebhookToVerify } from '../../../src/consumer/webhook-signature';

/** The test vector of the Standard Webhooks reference libraries. */
const VECTOR = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampSeconds: 1_614_265_330,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const NOW = VECTOR.timestampSeconds * 1_000;

function secretOf(secret: string, previousSecret = ''): WebhookSecret {
  return { kind: 'webhook_secret', secret, previousSecret };
}

function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** The vector as a request, with changes. */
function request(
  headers: Record<string, string | string[] | undefined> = {},
  changes: Partial<WebhookToVerify> = {},
): WebhookToVerify {
  return {
    headers: {
      'webhook-id': VECTOR.id,
      'webhook-timestamp': String(VECTOR.timestampSeconds),
      'webhook-signature': VECTOR.signature,
      ...headers,
    },
    body: VECTOR.body,
    secrets: [VECTOR.secret],
    now: NOW,
    ...changes,
  };
}

describe('a signature', () => {
  it('is the one of the specification for its vector', () => {
    expect(signatureHeaders(VECTOR, secretOf(VECTOR.secret))).toEqual({
      'webhook-timestamp': '1614265330',
      'webhook-signature': VECTOR.signature,
    });
  });

  it('is there twice while secrets are rotated, the new one first', () => {
    const [current, previous] = [newSecret(), newSecret()];

    const signature = signatureHeaders(VECTOR, secretOf(current, previous))['webhook-signature'];

    expect(signature).toBe(
      [current, previous]
        .map((secret) => signatureHeaders(VECTOR, secretOf(secret))['webhook-signature'])
        .join(' '),
    );
  });

  it('of any body is accepted by the verifier, and of no other body, id or time', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.uuid(),
        fc.integer({ min: 1, max: 4_000_000_000 }),
        (body, id, timestampSeconds) => {
          const secret = newSecret();
          const headers = {
            'webhook-id': id,
            ...signatureHeaders({ id, timestampSeconds, body }, secretOf(secret)),
          };
          const sent = { headers, body, secrets: [secret], now: timestampSeconds * 1_000 };

          expect(verifyWebhook(sent)).toEqual({ ok: true, id, timestampSeconds });
          expect(verifyWebhook({ ...sent, body: Buffer.from(body, 'utf8') })).toMatchObject({ ok: true });
          for (const changed of [
            { ...sent, body: `${body} ` },
            { ...sent, secrets: [newSecret()] },
            { ...sent, headers: { ...headers, 'webhook-id': `${id}0` } },
            { ...sent, headers: { ...headers, 'webhook-timestamp': String(timestampSeconds + 1) } },
          ]) {
            expect(verifyWebhook(changed)).toEqual({ ok: false, reason: 'wrong_signature' });
          }
        },
      ),
    );
  });
});

describe('a receiver', () => {
  it('accepts the vector of the specification', () => {
    expect(verifyWebhook(request())).toEqual({
      ok: true,
      id: VECTOR.id,
      timestampSeconds: VECTOR.timestampSeconds,
    });
  });

  it('takes a secret without its prefix', () => {
    expect(verifyWebhook(request({}, { secrets: ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] })).ok).toBe(true);
  });

  it.each([
    ['the new secret before the sender has it', [newSecret(), VECTOR.secret]],
    ['the old secret only', [VECTOR.secret]],
  ])('that knows %s is served through a rotation', (_what, secrets) => {
    const rotated = signatureHeaders(VECTOR, secretOf(newSecret(), VECTOR.secret));

    expect(verifyWebhook(request(rotated, { secrets })).ok).toBe(true);
  });

  it.each([
    ['a wrong one before', `v1,${'A'.repeat(43)}= ${VECTOR.signature}`],
    ['a wrong one after', `${VECTOR.signature} v1,${'A'.repeat(43)}=`],
    ['one of another version', `v1a,abc ${VECTOR.signature}`],
  ])('accepts a list with %s', (_what, signature) => {
    expect(verifyWebhook(request({ 'webhook-signature': signature })).ok).toBe(true);
  });

  it.each([
    ['the edge of the past', 300, true],
    ['one second too old', 301, 'too_old'],
    ['6 minutes old', 360, 'too_old'],
    ['the edge of the future', -300, true],
    ['from the future', -301, 'in_the_future'],
  ])('judges the time: %s', (_what, ageSeconds, expected) => {
    const verdict = verifyWebhook(request({}, { now: NOW + ageSeconds * 1_000 }));

    expect(verdict.ok ? true : verdict.reason).toBe(expected);
  });

  it('can be told another tolerance', () => {
    expect(verifyWebhook(request({}, { now: NOW + 11_000, toleranceSeconds: 10 }))).toMatchObject({
      reason: 'too_old',
    });
  });

  it.each<[string, Record<string, string | string[] | undefined>]>([
    ['no id', { 'webhook-id': undefined }],
    ['an id with a dot', { 'webhook-id': 'msg_a.b' }],
    ['two ids', { 'webhook-id': ['a', 'b'] }],
    ['no time', { 'webhook-timestamp': undefined }],
    ['a time that is no number', { 'webhook-timestamp': 'yesterday' }],
    ['a time with a fraction', { 'webhook-timestamp': '1614265330.5' }],
    ['a negative time', { 'webhook-timestamp': '-1614265330' }],
    ['a time of 400 digits', { 'webhook-timestamp': '9'.repeat(400) }],
    ['no signature', { 'webhook-signature': undefined }],
    ['an empty signature', { 'webhook-signature': '' }],
    ['only another version', { 'webhook-signature': 'v0,' }],
    ['a version without a signature', { 'webhook-signature': 'v1,' }],
    ['a signature that is too short', { 'webhook-signature': 'v1,AAAA' }],
    ['nine signatures', { 'webhook-signature': Array(9).fill(VECTOR.signature).join(' ') }],
    ['10,000 signatures', { 'webhook-signature': Array(10_000).fill(VECTOR.signature).join(' ') }],
    ['10,000 spaces', { 'webhook-signature': ' '.repeat(10_000) + VECTOR.signature }],
  ])('refuses %s', (_what, headers) => {
    expect(verifyWebhook(request(headers))).toEqual({ ok: false, reason: 'malformed' });
  });

  it('refuses a signature whose last character is another', () => {
    const forged = VECTOR.signature.replace(/OE=$/, 'OA=');

    expect(verifyWebhook(request({ 'webhook-signature': forged }))).toMatchObject({
      reason: 'wrong_signature',
    });
  });

  it('without a secret is a mistake of its own', () => {
    expect(() => verifyWebhook(request({}, { secrets: [] }))).toThrow(RangeError);
  });
});
