import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { ConfigError } from '../errors';

/** AES-256-GCM takes a 32-byte key and a 12-byte nonce. Source: NIST SP 800-38D. */
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface Sealed {
  keyId: string;
  nonce: Buffer;
  /** Ciphertext with the tag at its end. */
  ciphertext: Buffer;
}

/** Encrypts connection secrets at rest. A secret leaves only in memory, at the moment of sending. */
export interface SecretBox {
  /** @param name - the connection's name, bound to the ciphertext so that rows cannot be swapped */
  seal(name: string, secret: object): Sealed;
  /** @throws ConfigError when the key that sealed it is not this one, or the row was changed */
  open(name: string, sealed: Sealed): Record<string, string>;
}

/** @throws RangeError when the key is not 32 bytes: configuration checks that before */
export function createSecretBox(key: Buffer): SecretBox {
  if (key.length !== KEY_BYTES) throw new RangeError('the secrets key must be 32 bytes');
  const keyId = createHash('sha256').update('aftercommit key id').update(key).digest('hex').slice(0, 16);
  return {
    seal(name, secret) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name, 'utf8'));
      const ciphertext = Buffer.concat([
        cipher.update(JSON.stringify(secret), 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return { keyId, nonce, ciphertext };
    },
    open(name, sealed) {
      if (sealed.keyId !== keyId) {
        throw new ConfigError(
          `Connection ${name} was encrypted with another key. Set AFTERCOMMIT_SECRETS_KEY to that key, or PUT the connection again.`,
        );
      }
      const text = sealed.ciphertext.subarray(0, -TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.nonce).setAAD(Buffer.from(name, 'utf8'));
      decipher.setAuthTag(sealed.ciphertext.subarray(-TAG_BYTES));
      try {
        return JSON.parse(
          Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8'),
        ) as Record<string, string>;
      } catch {
        // Without the cause: it could show parts of what was decrypted.
        throw new ConfigError(
          `The stored secret of connection ${name} is damaged. PUT the connection again.`,
        );
      }
    },
  };
}
