import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Of a key for AES-256, and well within what Standard Webhooks allows (24 to 64). */
const BYTES = 32;

/** Made once, for this user's eyes, and kept with the data that it encrypts. Base64. */
export function secretsKey(dataDirectory: string): string {
  return kept(path.join(dataDirectory, 'secrets-key'), () => randomBytes(BYTES).toString('base64'));
}

/** What a simulated participant signs its webhooks with, in a file for it to read. Kept, as webhooks may be late. */
export function webhookSecret(dataDirectory: string, program: string): { file: string; secret: string } {
  const file = path.join(dataDirectory, `${program}.webhook-secret`);
  return { file, secret: kept(file, () => `whsec_${randomBytes(BYTES).toString('base64')}`) };
}

function kept(file: string, make: () => string): string {
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}
