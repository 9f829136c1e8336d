import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../errors';
import { runCommand } from './commands';
import { errorCode } from './error-code';
import { stopProcess } from './pid-files';
import { SYSTEM_STATE_DIRECTORY, type PostgresBinaries } from './postgres-binaries';
import { canEnter, isRoot, postgresUser, type SystemUser } from './postgres-user';
import { commandLine, identify } from './process-identity';

/** The files of one PostgreSQL server, ready to be started. */
export interface PostgresCluster {
  /** PGDATA. */
  directory: string;
  user: SystemUser;
  password: string;
}

/** The server is the user's own and holds nothing else, so its only role may be the superuser. */
export const SUPERUSER = 'postgres';

const POSTGRES_MAJOR = '18';
const PASSWORD_BYTES = 24;
/** Measured: 1 to 2 s; a slow disk may need a multiple. */
const INITDB_TIMEOUT_MS = 120_000;
/** Fast shutdown: open transactions are rolled back, everything committed is written. */
export const FAST_SHUTDOWN = 'SIGINT';

/**
 * Opens the cluster in `dataDirectory`, or makes it: `cluster` (PGDATA), `password` and the log live there. When we
 * are root and the user that PostgreSQL runs as cannot reach that place, `cluster` is a link to a directory under
 * /var/lib/aftercommit.
 * @throws ConfigError when the files belong to another user or another major version, or cannot be made
 */
export async function openCluster(options: {
  dataDirectory: string;
  binaries: (user: SystemUser) => Promise<PostgresBinaries>;
  /** False leaves out the wait for the disk; for clusters that are thrown away. */
  durable: boolean;
}): Promise<PostgresCluster & { binaries: PostgresBinaries }> {
  await mkdir(options.dataDirectory, { recursive: true });
  const existing = path.join(options.dataDirectory, 'cluster');
  if (!(await isFile(path.join(existing, 'PG_VERSION')))) {
    const user = postgresUser();
    const binaries = await options.binaries(user);
    await createCluster({ ...options, user, binaries });
  }
  const user = await ownerOf(existing);
  const binaries = await options.binaries(user);
  await refuseOtherMajor(existing);
  await stopOrphan(existing);
  const directory = await resolveLink(existing);
  return { directory, user, binaries, password: await readPassword(options.dataDirectory) };
}

/** Removes all of a cluster's files, those under /var/lib/aftercommit included. The server must not run. */
export async function removeCluster(dataDirectory: string): Promise<void> {
  if (isRoot()) await rm(reachableDirectory(dataDirectory), { recursive: true, force: true });
  await rm(dataDirectory, { recursive: true, force: true });
}

async function createCluster(options: {
  dataDirectory: string;
  user: SystemUser;
  binaries: PostgresBinaries;
  durable: boolean;
}): Promise<void> {
  const { dataDirectory, user } = options;
  const link = path.join(dataDirectory, 'cluster');
  const reachable = canEnter(dataDirectory, user);
  const target = reachable ? link : reachableDirectory(dataDirectory);
  // Without PG_VERSION it is what an interrupted start left; a target without its link is what `rm -r` left.
  await rm(link, { recursive: true, force: true });
  await rm(target, { recursive: true, force: true });
  await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
  await removePartials(target);
  const partial = await mkdtemp(`${target}.partial-`);
  try {
    await runInitdb({ ...options, directory: partial });
    await rename(partial, target);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  if (!reachable) await symlink(target, link);
}

async function removePartials(target: string): Promise<void> {
  const names = await readdir(path.dirname(target));
  for (const name of names.filter((entry) => entry.startsWith(`${path.basename(target)}.partial-`))) {
    await rm(path.join(path.dirname(target), name), { recursive: true, force: true });
  }
}

/** One per place, so that the files of a data directory that was deleted by hand are found and replaced. */
function reachableDirectory(dataDirectory: string): string {
  const place = createHash('sha256').update(path.resolve(dataDirectory)).digest('hex').slice(0, 16);
  return path.join(SYSTEM_STATE_DIRECTORY, `postgres-${place}`);
}

async function runInitdb(options: {
  dataDirectory: string;
  directory: string;
  user: SystemUser;
  binaries: PostgresBinaries;
  durable: boolean;
}): Promise<void> {
  const { directory, user, binaries, durable } = options;
  const password = randomBytes(PASSWORD_BYTES).toString('hex');
  const passwordFile = path.join(options.dataDirectory, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  // initdb reads it as the other user, who may not enter our data directory: its own copy lies beside its files.
  const ownCopy = `${directory}.password`;
  await writeFile(ownCopy, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) {
    await chown(directory, user.uid, user.gid);
    await chown(ownCopy, user.uid, user.gid);
  }
  await chmod(directory, 0o700);
  const args = [
    `--pgdata=${directory}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${ownCopy}`,
    '--auth=scram-sha-256',
    // The same sorting and case rules on every system, whatever locales it has.
    '--encoding=UTF8',
    '--no-locale',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(durable ? [] : ['--no-sync']),
  ];
  try {
    const result = await runCommand({
      command: binaries.initdb,
      args,
      cwd: path.parse(directory).root,
      user,
      timeoutMs: INITDB_TIMEOUT_MS,
    });
    if (!result.succeeded) {
      throw new ConfigError(`PostgreSQL's files cannot be made: ${result.failure}\n${result.output}`);
    }
  } finally {
    await rm(ownCopy, { force: true });
  }
}

/** Root runs the server as the owner of the files; anyone else must be the owner. */
async function ownerOf(directory: string): Promise<SystemUser> {
  if (process.getuid === undefined) return undefined;
  const { uid, gid } = await stat(directory);
  if (isRoot()) return uid === 0 ? postgresUser() : { uid, gid };
  if (uid === process.getuid()) return undefined;
  throw new ConfigError(
    `${directory} belongs to another user (${uid}), probably since a start as root. ` +
      'Start as that user, or begin anew with npm start -- --fresh as root.',
  );
}

async function refuseOtherMajor(directory: string): Promise<void> {
  const found = (await readFile(path.join(directory, 'PG_VERSION'), 'utf8')).trim();
  if (found === POSTGRES_MAJOR) return;
  throw new ConfigError(
    `${directory} was written by PostgreSQL ${found}; this is ${POSTGRES_MAJOR}. ` +
      'Dump it with the other version first, or begin anew with npm start -- --fresh.',
  );
}

/**
 * Deals with what a killed run left in postmaster.pid. A server that still runs on these files is ended; a number that
 * now belongs to another process would make PostgreSQL refuse to start, so the file is removed. When the number
 * belongs to nobody, PostgreSQL itself recovers, and checks better than we could that no backend is left.
 */
async function stopOrphan(directory: string): Promise<void> {
  const file = path.join(directory, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return;
  const identity = identify(pid);
  if (identity === undefined) return;
  const command = commandLine(pid) ?? '';
  if (command.includes('postgres') && command.includes(await resolveLink(directory))) {
    await stopProcess(identity, FAST_SHUTDOWN);
  } else {
    await rm(file, { force: true });
  }
}

async function readPassword(dataDirectory: string): Promise<string> {
  const file = path.join(dataDirectory, 'password');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new ConfigError(
      `The password of the embedded PostgreSQL is missing (${file}); begin anew with npm start -- --fresh.`,
      { cause: error },
    );
  }
}

async function resolveLink(file: string): Promise<string> {
  const information = await lstat(file);
  return information.isSymbolicLink() ? path.resolve(path.dirname(file), await readlink(file)) : file;
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
