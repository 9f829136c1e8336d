/** The GSM 03.38 basic alphabet: one septet a character. Source: 3GPP TS 23.038, section 6.2.1. */
const GSM_BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** The extension table: an escape and the character, so two septets. Source: 3GPP TS 23.038, section 6.2.1.1. */
const GSM_EXTENSION = new Set('\f^{}\\[~]|€');

/** Septets of one GSM-7 segment, and of each one when there are several and a header joins them. */
const GSM_SEPTETS = { single: 160, joined: 153 };
/** UTF-16 units of one UCS-2 segment, and of each of several. Source: Twilio, "What is UCS-2 Character Encoding?". */
const UCS2_UNITS = { single: 70, joined: 67 };

/**
 * How many segments Twilio bills for this text, at least 1. One character outside of GSM-7 makes all of it UCS-2. A
 * character of two units (an escape, a surrogate pair) is never split, so a segment may end one unit early.
 */
export function segmentsOf(body: string): number {
  const characters = [...body];
  const isGsm = characters.every((character) => GSM_BASIC.has(character) || GSM_EXTENSION.has(character));
  const limit = isGsm ? GSM_SEPTETS : UCS2_UNITS;
  const unitsOf = (character: string): number =>
    isGsm ? (GSM_EXTENSION.has(character) ? 2 : 1) : character.length;
  const sizes = characters.map(unitsOf);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return total <= limit.single ? 1 : countJoined(sizes, limit.joined);
}

function countJoined(sizes: readonly number[], unitsMax: number): number {
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > unitsMax) {
      segments += 1;
      used = 0;
    }
    used += size;
  }
  return segments;
}
