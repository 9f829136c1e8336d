import { createHmac } from 'node:crypto';
import type { Pool } from 'pg';
import { statement } from './transaction';

/** What makes this installation's ids and fingerprints its own. Read once at start; never changes. */
export interface Installation {
  namespace: string;
  fingerprintKey: string;
}

export async function readInstallation(pool: Pool): Promise<Installation> {
  const [row] = await statement<{ namespace: string; fingerprint_key: string }>(
    pool,
    'select namespace, fingerprint_key from aftercommit.installation',
    [],
  );
  if (row === undefined) throw new RangeError('the installation row is missing');
  return { namespace: row.namespace, fingerprintKey: row.fingerprint_key };
}

/**
 * What a request asked for, as a hash that nobody can guess the body from. Members may be in any order: the text is made
 * of sorted members, so two bodies that mean the same have the same fingerprint.
 */
export function fingerprintOf(
  installation: Installation,
  method: string,
  route: string,
  body: unknown,
): string {
  return createHmac('sha256', installation.fingerprintKey)
    .update(`${method}\n${route}\n${canonicalJson(body)}`)
    .digest('base64url');
}

/** JSON with sorted members (in the manner of RFC 8785; our numbers are integers). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value as Record<string, unknown>)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}
