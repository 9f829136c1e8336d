/** How an SMS travels. `segments` is what it costs. */
export interface SmsSize {
  /** GSM-7 as long as every character is in its alphabet; one other character makes the whole text UCS-2. */
  encoding: 'GSM-7' | 'UCS-2';
  segments: number;
}

/** Source: 3GPP TS 23.038, section 6.2.1, basic character set without the escape. One septet each. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Source: the same, section 6.2.1.1, extension table. An escape and the character: two septets. */
const EXTENDED = new Set('\f^{}\\[~]|€');

/**
 * Units of one SMS, and of each of several, which lose six bytes to the header that joins them.
 * Source: 3GPP TS 23.040, section 9.2.3.24.1.
 */
const UNITS = { 'GSM-7': { single: 160, joined: 153 }, 'UCS-2': { single: 70, joined: 67 } } as const;

/** Which alphabet a text needs and how many segments it makes. No character is cut in two by the end of a segment. */
export function smsSizeOf(text: string): SmsSize {
  const characters = [...text];
  const encoding = characters.every((one) => BASIC.has(one) || EXTENDED.has(one)) ? 'GSM-7' : 'UCS-2';
  const sizes = characters.map((one) => (encoding === 'GSM-7' ? (BASIC.has(one) ? 1 : 2) : one.length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const { single, joined } = UNITS[encoding];
  return { encoding, segments: total <= single ? 1 : segmentsOf(sizes, joined) };
}

function segmentsOf(sizes: readonly number[], capacity: number): number {
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > capacity) {
      segments += 1;
      used = 0;
    }
    used += size;
  }
  return segments;
}
