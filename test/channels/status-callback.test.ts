import crypto, { createHmac, hkdfSync } from 'node:crypto';
import { createStatusCallbacks } from '../../src/channels/status-callback';

const KEY = Buffer.alloc(32, 7);
const ATTEMPT = '0b0d5c1e-6d5e-4a41-9a5e-1f0a3a7b9d10';
const OTHER = '0b0d5c1e-6d5e-4a41-9a5e-1f0a3a7b9d11';

describe('status callbacks', () => {
  const callbacks = createStatusCallbacks({ publicUrl: 'https://shop.example', key: KEY });
  const tokenOf = (attemptId: string, of = callbacks): string =>
    new URL(of.urlFor(attemptId)!).searchParams.get('t')!;

  it('have a URL with the attempt and its token', () => {
    const derived = Buffer.from(hkdfSync('sha256', KEY, '', 'aftercommit/status-callback', 32));
    const token = createHmac('sha256', derived)
      .update(`attempt\n${ATTEMPT}`)
      .digest('base64url')
      .slice(0, 22);

    expect(callbacks.urlFor(ATTEMPT)).toBe(
      `https://shop.example/webhooks/twilio/status?na=${ATTEMPT}&t=${token}`,
    );
  });

  it.each([
    ['https://shop.example/', 'https://shop.example/webhooks/twilio/status?'],
    ['https://shop.example/orders//', 'https://shop.example/orders/webhooks/twilio/status?'],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000/webhooks/twilio/status?'],
  ])('stand below %s', (publicUrl, start) => {
    expect(createStatusCallbacks({ publicUrl, key: KEY }).urlFor(ATTEMPT)).toContain(start);
  });

  it('escape an attempt that would change the URL', () => {
    const url = new URL(callbacks.urlFor('a&t=forged#x')!);

    expect(url.searchParams.getAll('t')).toHaveLength(1);
    expect(callbacks.isFrom(url.searchParams.get('na')!, url.searchParams.get('t')!)).toBe(true);
  });

  it('are none without a public URL; tokens from before are still known', () => {
    const unreachable = createStatusCallbacks({ publicUrl: null, key: KEY });

    expect(unreachable.urlFor(ATTEMPT)).toBeUndefined();
    expect(unreachable.isFrom(ATTEMPT, tokenOf(ATTEMPT))).toBe(true);
  });

  it('know their own tokens, also in another process with the same key', () => {
    const elsewhere = createStatusCallbacks({ publicUrl: 'https://shop.example', key: Buffer.from(KEY) });

    expect(callbacks.isFrom(ATTEMPT, tokenOf(ATTEMPT))).toBe(true);
    expect(elsewhere.isFrom(ATTEMPT, tokenOf(ATTEMPT))).toBe(true);
  });

  it.each([
    ['of another attempt', tokenOf(OTHER)],
    ['that is cut', tokenOf(ATTEMPT).slice(0, -1)],
    ['that is cut to one character', tokenOf(ATTEMPT).slice(0, 1)],
    ['that is longer', `${tokenOf(ATTEMPT)}A`],
    ['that is padded', `${tokenOf(ATTEMPT)}==`],
    ['in other letters', tokenOf(ATTEMPT).toUpperCase()],
    [
      'with one other character',
      `${tokenOf(ATTEMPT).startsWith('A') ? 'B' : 'A'}${tokenOf(ATTEMPT).slice(1)}`,
    ],
    ['that is empty', ''],
    ['of 10,000 characters', 'A'.repeat(10_000)],
    ['of as many characters and more bytes', 'é'.repeat(22)],
    [
      'of another key',
      tokenOf(ATTEMPT, createStatusCallbacks({ publicUrl: 'https://a', key: Buffer.alloc(32) })),
    ],
  ])('refuse a token %s', (_name, token) => {
    expect(callbacks.isFrom(ATTEMPT, token)).toBe(false);
  });

  it('compare every wrong token of the right length in constant time', () => {
    const compare = jest.spyOn(crypto, 'timingSafeEqual');
    const right = tokenOf(ATTEMPT);

    for (const wrong of ['A'.repeat(22), `${right.slice(0, -1)}.`]) {
      expect(callbacks.isFrom(ATTEMPT, wrong)).toBe(false);
      expect(compare).toHaveBeenLastCalledWith(Buffer.from(wrong), Buffer.from(right));
    }
    expect(compare).toHaveBeenCalledTimes(2);
    compare.mockRestore();
  });
});
