import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDirectory, type Environment } from '../../../src/dev/cache';
import { findOnPath, isExecutableFile, runCommand } from '../../../src/dev/commands';
import { intoPlace } from '../../../src/dev/into-place';
import { withLock } from '../../../src/dev/lock';
import { findFreePort } from '../../../src/dev/ports';
import { tryWithProgress } from '../../../src/dev/progress';
import { startServer, type Server } from './server';

/** The release that was tried with version 3.1169.0 of the SDK. */
const MOTO_VERSION = '5.2.5';
/** Measured: 20 to 40 s for 317 MB from a near mirror. */
const ESTIMATE_MS = 40_000;
const INSTALL_MS_MAX = 8 * 60_000;
const OUTPUT_SHOWN_CHARACTERS = 500;

/** The environment is moved into place when it is complete; its own scripts hold the path before, Python does not. */
const LAUNCHER = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/venv/bin/python" -m moto.server "$@"
`;

/** EventBridge, SQS and SNS as moto imitates them. It takes any credentials. */
export interface Moto extends Server {
  url: string;
}

/**
 * Starts moto in a process of its own, installing it first when it is not in the cache.
 * @throws Error naming what is missing, when there is no Python or moto cannot be had
 */
export async function startMoto(env: Environment): Promise<Moto> {
  const command = await installMoto(env);
  const port = await findFreePort({ name: 'moto', preferred: 0 });
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    name: 'moto',
    command,
    args: ['-H', '127.0.0.1', '-p', String(port)],
    answers: async () => (await fetch(`${url}/moto-api/data.json`)).ok,
  });
  return { ...server, url };
}

async function installMoto(env: Environment): Promise<string> {
  const cache = cacheDirectory(env);
  const target = path.join(cache, `moto-${MOTO_VERSION}`, 'run');
  return withLock({ file: path.join(cache, 'moto.lock') }, async () => {
    if (await isExecutableFile(target)) return target;
    const python = await findOnPath('python3', env);
    if (python === undefined) throw new Error('moto needs Python 3.10 or later: no python3 on PATH.');
    const failure = await intoPlace(target, (partial) =>
      tryWithProgress({ title: 'Fetching moto with pip', estimateMs: ESTIMATE_MS }, () =>
        fetchInto(partial, python, env),
      ),
    );
    if (failure !== undefined) throw new Error(`moto could not be fetched: ${failure}`);
    return target;
  });
}

async function fetchInto(partial: string, python: string, env: Environment): Promise<string | undefined> {
  const venv = path.join(partial, 'venv');
  const steps = [
    { command: python, args: ['-m', 'venv', venv] },
    {
      command: path.join(venv, 'bin', 'python'),
      args: ['-m', 'pip', 'install', '--quiet', '--no-input', `moto[server]==${MOTO_VERSION}`],
    },
  ];
  for (const step of steps) {
    const result = await runCommand({ ...step, cwd: partial, env, timeoutMs: INSTALL_MS_MAX });
    if (!result.succeeded) return `${result.failure}: ${result.output.slice(-OUTPUT_SHOWN_CHARACTERS)}`;
  }
  await writeFile(path.join(partial, 'run'), LAUNCHER, { mode: 0o755 });
  return undefined;
}
