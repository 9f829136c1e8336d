import { homedir } from 'node:os';
import path from 'node:path';

/** The environment as the caller read it: only src/config.ts and the start scripts read the process's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a variable; an empty string counts as unset, as everywhere in this product. */
export function setting(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}

/**
 * Where downloads and builds are kept between runs and shared between checkouts: AFTERCOMMIT_CACHE_DIR, else
 * `$XDG_CACHE_HOME/aftercommit`, else `~/.cache/aftercommit`. The directory may not exist yet.
 */
export function cacheDirectory(env: Environment): string {
  const chosen = setting(env, 'AFTERCOMMIT_CACHE_DIR');
  if (chosen !== undefined) return path.resolve(chosen);
  const base = setting(env, 'XDG_CACHE_HOME') ?? path.join(setting(env, 'HOME') ?? homedir(), '.cache');
  return path.resolve(base, 'aftercommit');
}
