import { createHmac } from 'node:crypto';
import { createTwilioSignatures } from '../../src/channels/twilio-signature';

/** An example that Twilio publishes. Source: Twilio, "Webhooks security", and the tests of its packages. */
const PUBLISHED = {
  authToken: '12345',
  url: 'https://example.com/myapp.php?foo=1&bar=2',
  params: {
    CallSid: 'CA1234567890ABCDE',
    Caller: '+14158675310',
    Digits: '1234',
    From: '+14158675310',
    To: '+18005551212',
  },
  signature: 'L/OH5YylLD5NRKLltdqwSvS0BnU=',
};

const URL_OF_ATTEMPT = 'https://shop.example/webhooks/twilio/status?na=att_1&t=abc';
const PARAMS = { MessageSid: `SM${'1'.repeat(32)}`, MessageStatus: 'delivered', To: '+14155550100' };

/** The algorithm as Twilio describes it, written down a second time. */
function sign(authToken: string, url: string, params: Record<string, string>): string {
  const pairs = Object.keys(params).sort();
  const text = url + pairs.map((name) => name + (params[name] ?? '')).join('');
  return createHmac('sha1', authToken).update(text, 'utf8').digest('base64');
}

describe('signatures of Twilio', () => {
  const signatures = createTwilioSignatures({ authTokens: ['primary', 'secondary'] });
  const signature = sign('primary', URL_OF_ATTEMPT, PARAMS);

  it('are known in the example that Twilio publishes', () => {
    const { authToken, ...request } = PUBLISHED;

    expect(createTwilioSignatures({ authTokens: [authToken] }).isSigned(request)).toBe(true);
  });

  it.each(['primary', 'secondary'])('are known while the token is changed: %s', (authToken) => {
    const signed = sign(authToken, URL_OF_ATTEMPT, PARAMS);

    expect(signatures.isSigned({ url: URL_OF_ATTEMPT, params: PARAMS, signature: signed })).toBe(true);
  });

  it('are known with a name that came twice', () => {
    const url = URL_OF_ATTEMPT;
    const text = `${url}BodySID${'a'}SID${'b'}`;
    const signed = createHmac('sha1', 'primary').update(text, 'utf8').digest('base64');

    const isSigned = (values: string[]): boolean =>
      signatures.isSigned({ url, params: { SID: values, Body: '' }, signature: signed });

    expect(isSigned(['b', 'a'])).toBe(true);
    expect(isSigned(['a', 'c'])).toBe(false);
    expect(isSigned(['a', 'b', 'c'])).toBe(false);
  });

  it('are known with text beyond ASCII, and with spaces at its ends', () => {
    const params = { ...PARAMS, Body: ' STOP – bitte ✋ ' };
    const signed = sign('primary', URL_OF_ATTEMPT, params);

    expect(signatures.isSigned({ url: URL_OF_ATTEMPT, params, signature: signed })).toBe(true);
    const trimmed = { ...params, Body: params.Body.trim() };
    expect(signatures.isSigned({ url: URL_OF_ATTEMPT, params: trimmed, signature: signed })).toBe(false);
  });

  it.each([
    ['of another URL', { signature: sign('primary', 'https://shop.example/other', PARAMS) }],
    ['of the URL without its query', { signature: sign('primary', URL_OF_ATTEMPT.split('?')[0]!, PARAMS) }],
    ['for another attempt', { url: URL_OF_ATTEMPT.replace('att_1', 'att_2') }],
    ['of another token', { signature: sign('third', URL_OF_ATTEMPT, PARAMS) }],
    ['with a parameter more', { params: { ...PARAMS, ErrorCode: '30003' } }],
    ['with a parameter less', { params: { MessageSid: PARAMS.MessageSid } }],
    ['with another value', { params: { ...PARAMS, MessageStatus: 'failed' } }],
    ['that is empty', { signature: '' }],
    ['that is cut', { signature: signature.slice(0, -2) }],
    ['without its padding', { signature: signature.slice(0, -1) }],
    ['that is longer', { signature: `${signature}A` }],
    ['with a line break behind', { signature: `${signature}\n` }],
    ['that comes twice', { signature: `${signature},${signature}` }],
    ['of 10,000 characters', { signature: 'A'.repeat(10_000) }],
    ['for what is no URL', { url: '/webhooks/twilio/status' }],
  ])('are refused %s', (_name, wrong) => {
    const right = { url: URL_OF_ATTEMPT, params: PARAMS, signature };

    expect(signatures.isSigned(right)).toBe(true);
    expect(signatures.isSigned({ ...right, ...wrong })).toBe(false);
  });

  it('are never known without a token', () => {
    const none = createTwilioSignatures({ authTokens: [] });

    expect(none.isSigned({ url: URL_OF_ATTEMPT, params: PARAMS, signature })).toBe(false);
  });

  it('cannot be checked with an empty token, with which anybody could sign', () => {
    expect(() => createTwilioSignatures({ authTokens: ['primary', ''] })).toThrow(RangeError);
  });
});
