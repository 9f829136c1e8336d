import type { Choices } from './choices';

/** JSON of the value with numbers in any spelling that JSON has for them: 5, 5.0, 5e0, 50E-1. */
export function spelled(choices: Choices, value: unknown): string {
  if (typeof value === 'number') return choices.pick(spellingsOf(value));
  if (Array.isArray(value)) return `[${value.map((element) => spelled(choices, element)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}:${spelled(choices, member)}`,
  );
  return `{${members.join(',')}}`;
}

/** Spellings of exactly this number: JavaScript's own digits are the fewest that name it. */
function spellingsOf(value: number): string[] {
  const plain = Object.is(value, -0) ? '-0' : String(value);
  const scientific = value.toExponential();
  const spellings = [plain, plain, plain, scientific, scientific.replace('e', 'E')];
  if (/^-?\d+$/.test(plain)) spellings.push(`${plain}.0`, `${plain}e0`, `${plain}.000E+0`);
  if (/^-?[1-9]\d*$/.test(plain)) spellings.push(`${plain}0e-1`);
  if (/^-?\d+\.\d+$/.test(plain)) spellings.push(`${plain}00`, `${plain}e+0`);
  return spellings;
}
