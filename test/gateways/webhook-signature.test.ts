import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { signatureHeaders } from '../../src/bus/targets/webhook-signature';
import {
  createWebhookVerifier,
  type SignatureVerdict,
  type SignedRequest,
} from '../../src/gateways/webhook-signature';

/** The test vector of the Standard Webhooks reference libraries. */
const VECTOR = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampSeconds: 1_614_265_330,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const WRONG = `v1,${'A'.repeat(43)}=`;
const TOLERANCE_SECONDS = 300;

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** Verifies the vector, with changes, `lateBySeconds` after it was signed. */
function verify(
  headers: Record<string, string | string[] | undefined> = {},
  options: { secrets?: string[]; lateBySeconds?: number; body?: SignedRequest['body'] } = {},
): SignatureVerdict {
  const { secrets = [VECTOR.secret], lateBySeconds = 0, body = VECTOR.body } = options;
  const now = () => new Date((VECTOR.timestampSeconds + lateBySeconds) * 1_000);
  return createWebhookVerifier({ secrets, now }).verify({
    headers: {
      'webhook-id': VECTOR.id,
      'webhook-timestamp': String(VECTOR.timestampSeconds),
      'webhook-signature': VECTOR.signature,
      ...headers,
    },
    body,
  });
}

describe('webhook signature', () => {
  it('accepts the vector of the specification, as text and as bytes', () => {
    const accepted = { ok: true, id: VECTOR.id, timestampSeconds: VECTOR.timestampSeconds };

    expect(verify()).toEqual(accepted);
    expect(verify({}, { body: Buffer.from(VECTOR.body) })).toEqual(accepted);
  });

  it('accepts what the sender of this product signs, and no other body, id, time or secret', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.uuid(),
        fc.integer({ min: 1, max: 4_000_000_000 }),
        (body, id, timestampSeconds) => {
          const secret = newSecret();
          const signed = signatureHeaders(
            { id, timestampSeconds, body },
            { kind: 'webhook_secret', secret, previousSecret: '' },
          );
          const headers = { 'webhook-id': id, ...signed };
          const options = { now: () => new Date(timestampSeconds * 1_000) };
          const verifier = createWebhookVerifier({ secrets: [secret], ...options });
          const other = createWebhookVerifier({ secrets: [newSecret()], ...options });
          const nextSecond = { ...headers, 'webhook-timestamp': String(timestampSeconds + 1) };

          expect(verifier.verify({ headers, body })).toEqual({ ok: true, id, timestampSeconds });
          const refused = [
            verifier.verify({ headers, body: `${body} ` }),
            verifier.verify({ headers: { ...headers, 'webhook-id': `${id}0` }, body }),
            verifier.verify({ headers: nextSecond, body }),
            other.verify({ headers, body }),
          ];
          expect(refused).toEqual(Array(4).fill({ ok: false, reason: 'wrong_signature' }));
        },
      ),
    );
  });

  it.each([
    ['the new secret before the sender has it', [newSecret(), VECTOR.secret]],
    ['the old secret before the sender gives it up', [VECTOR.secret, newSecret()]],
  ])('goes on through a rotation with %s', (_name, secrets) => {
    expect(verify({}, { secrets }).ok).toBe(true);
  });

  it.each([
    ['a wrong one before', `${WRONG} ${VECTOR.signature}`],
    ['a wrong one after', `${VECTOR.signature} ${WRONG}`],
    ['one of another version', `v1a,abc v0,x ${VECTOR.signature}`],
    ['the right one in the last place that is looked at', `${`${WRONG} `.repeat(19)}${VECTOR.signature}`],
  ])('accepts a list with %s', (_name, signature) => {
    expect(verify({ 'webhook-signature': signature }).ok).toBe(true);
  });

  it.each<[string, string | string[] | undefined, string]>([
    ['only v0', 'v0,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=', 'malformed'],
    ['only a version', 'v1,', 'malformed'],
    ['an empty header', '', 'malformed'],
    ['no header', undefined, 'malformed'],
    ['the header twice', [VECTOR.signature, VECTOR.signature], 'malformed'],
    ['no base64', `v1,${'!'.repeat(43)}=`, 'malformed'],
    ['a wrong one', WRONG, 'wrong_signature'],
    [
      'the right one in a place that is not looked at',
      `${`${WRONG} `.repeat(20)}${VECTOR.signature}`,
      'wrong_signature',
    ],
    ['part of the right one', VECTOR.signature.slice(0, -2), 'malformed'],
  ])('refuses %s', (_name, signature, reason) => {
    expect(verify({ 'webhook-signature': signature })).toEqual({ ok: false, reason });
  });

  it('refuses 10,000 signatures without looking at them', () => {
    const header = `${WRONG} `.repeat(10_000) + VECTOR.signature;
    const startedAt = performance.now();

    for (let n = 0; n < 100; n += 1) expect(verify({ 'webhook-signature': header }).ok).toBe(false);

    // A hundred of them take a few milliseconds; computing 10,000 signatures each would take seconds.
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it.each([
    [TOLERANCE_SECONDS, null],
    [TOLERANCE_SECONDS + 1, 'too_old'],
    [360, 'too_old'],
    [-TOLERANCE_SECONDS, null],
    [-TOLERANCE_SECONDS - 1, 'in_the_future'],
  ])('at %i s after it was signed: %s', (lateBySeconds, reason) => {
    const verdict = verify({}, { lateBySeconds });

    expect(verdict.ok ? null : verdict.reason).toBe(reason);
  });

  it.each(['', 'now', '1e9', '-1', ' 1614265330', '1614265330.0', '9'.repeat(400)])(
    'refuses the time %j',
    (timestamp) => {
      expect(verify({ 'webhook-timestamp': timestamp })).toEqual({ ok: false, reason: 'malformed' });
    },
  );

  it('refuses an id with a dot even when the signature is right', () => {
    const id = 'msg.1';
    const content = `${id}.${VECTOR.timestampSeconds}.${VECTOR.body}`;
    const key = Buffer.from(VECTOR.secret.slice('whsec_'.length), 'base64');
    const mac = createHmac('sha256', key).update(content).digest('base64');

    expect(verify({ 'webhook-id': id, 'webhook-signature': `v1,${mac}` })).toEqual({
      ok: false,
      reason: 'malformed',
    });
  });

  it.each(['', undefined, 'x'.repeat(257)])('refuses the id %j', (id) => {
    expect(verify({ 'webhook-id': id })).toEqual({ ok: false, reason: 'malformed' });
  });

  it.each<[string, string[]]>([
    ['none', []],
    ['an empty one', ['']],
    ['one without its prefix', ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']],
    ['23 bytes', [`whsec_${Buffer.alloc(23, 1).toString('base64')}`]],
    ['65 bytes', [`whsec_${Buffer.alloc(65, 1).toString('base64')}`]],
    ['no base64', ['whsec_????????????????????????????????']],
    ['a good one and a bad one', [VECTOR.secret, 'whsec_']],
  ])('takes no secrets that would accept anybody, or nobody: %s', (_name, secrets) => {
    expect(() => createWebhookVerifier({ secrets, now: () => new Date() })).toThrow(RangeError);
  });
});
