import { segmentsOf } from '../../src/dev/twilio-segments';

describe('segments of a text', () => {
  it.each([
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
  ])('%s', (_name, text, segments) => {
    expect(segmentsOf(text)).toBe(segments);
  });
});
