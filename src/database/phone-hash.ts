import { createHmac, hkdfSync } from 'node:crypto';

/** Counts, opt-outs and searches by number go by its hash, so that none of them keeps the number. */
export type PhoneHash = (phone: string) => string;

/** 128 bits: two numbers of the world never meet. */
const HASH_CHARACTERS = 32;

/**
 * Keyed with the installation's secret, which is not in the database: without it nobody can try all numbers.
 * @param secretsKey - 32 bytes. With another key, opt-outs that were heard before are forgotten.
 */
export function createPhoneHash(secretsKey: Buffer): PhoneHash {
  const key = Buffer.from(hkdfSync('sha256', secretsKey, Buffer.alloc(0), 'aftercommit/phone-hash', 32));
  return (phone) => createHmac('sha256', key).update(phone).digest('hex').slice(0, HASH_CHARACTERS);
}
