import { smsSizeOf } from '../../src/domain/sms-segments';

describe('the size of an SMS', () => {
  it.each<[string, string, string, number]>([
    ['160 characters', 'x'.repeat(160), 'GSM-7', 1],
    ['161 characters', 'x'.repeat(161), 'GSM-7', 2],
    ['306 characters', 'x'.repeat(306), 'GSM-7', 2],
    ['307 characters', 'x'.repeat(307), 'GSM-7', 3],
    ['umlauts', 'äöüßÄÖÜ', 'GSM-7', 1],
    ['80 euro signs, two septets each', '€'.repeat(80), 'GSM-7', 1],
    ['81 euro signs', '€'.repeat(81), 'GSM-7', 2],
    ['153 euro signs, of which none is cut in two', '€'.repeat(153), 'GSM-7', 3],
    ['a no-break space', 'EUR\u00a05', 'UCS-2', 1],
    ['70 characters of another alphabet', '訂'.repeat(70), 'UCS-2', 1],
    ['71 characters of another alphabet', '訂'.repeat(71), 'UCS-2', 2],
    ['35 emoji, two units each', '😀'.repeat(35), 'UCS-2', 1],
    ['66 emoji, 33 a segment', '😀'.repeat(66), 'UCS-2', 2],
    ['67 emoji', '😀'.repeat(67), 'UCS-2', 3],
  ])('of %s', (_what, text, encoding, segments) => {
    expect(smsSizeOf(text)).toEqual({ encoding, segments });
  });

  it.each<[string, string, number]>([
    ['nothing', '', 1],
    ['160 of GSM-7', 'x'.repeat(160), 1],
    ['161 of GSM-7', 'x'.repeat(161), 2],
    ['2 × 153 of GSM-7', 'x'.repeat(306), 2],
    ['one more', 'x'.repeat(307), 3],
    ['umlauts, which are GSM-7', 'ä'.repeat(160), 1],
    ['80 of the extension table, two septets each', '€'.repeat(80), 1],
    ['81 of them', '€'.repeat(81), 2],
    ['an escape that does not fit into the first of two', `${'x'.repeat(152)}€${'x'.repeat(152)}`, 3],
    ['70 of UCS-2', 'й'.repeat(70), 1],
    ['71 of UCS-2', 'й'.repeat(71), 2],
    ['2 × 67 of UCS-2', 'й'.repeat(134), 2],
    ['one more of UCS-2', 'й'.repeat(135), 3],
    ['one character that makes all of it UCS-2', `${'x'.repeat(70)}ç`, 2],
    ['35 emojis, two units each', '😀'.repeat(35), 1],
    ['a pair that does not fit into the first of two', `${'x'.repeat(66)}😀${'x'.repeat(66)}`, 3],
  ])('of %s', (_what, text, segments) => {
    expect(smsSizeOf(text).segments).toBe(segments);
  });
});
