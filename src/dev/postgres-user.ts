import { execFileSync, spawnSync } from 'node:child_process';
import { ConfigError } from '../errors';

/** The system user that PostgreSQL runs as; undefined means: as ourselves. */
export type SystemUser = { uid: number; gid: number } | undefined;

/** In the order of preference. We never create a user: `nobody` is everywhere and PostgreSQL asks for no more. */
const USERS = ['postgres', 'nobody'];
const PROBE_TIMEOUT_MS = 10_000;

/** True when we run as root, which PostgreSQL refuses to. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * The user to run PostgreSQL as: ourselves, or an unprivileged user when we are root.
 * @throws ConfigError when we are root and the system has no such user
 */
export function postgresUser(): SystemUser {
  if (!isRoot()) return undefined;
  for (const name of USERS) {
    const user = lookUp(name);
    if (user !== undefined) return user;
  }
  throw new ConfigError(
    `PostgreSQL does not run as root and this system has none of the users ${USERS.join(', ')}. ` +
      'Run as a normal user, or set DATABASE_URL to a server of your own.',
  );
}

function lookUp(name: string): SystemUser {
  try {
    const ask = (flag: string): number =>
      Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
    const user = { uid: ask('-u'), gid: ask('-g') };
    return Number.isSafeInteger(user.uid) && user.uid > 0 ? user : undefined;
  } catch {
    return undefined;
  }
}

/**
 * True when the user can enter the directory. Tried for real, because mode bits do not tell of access lists or of
 * a parent such as /root that only its owner may pass.
 */
export function canEnter(directory: string, user: SystemUser): boolean {
  if (user === undefined) return true;
  const probe = spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
  });
  return probe.status === 0;
}
