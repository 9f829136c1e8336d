import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { connect } from '@nats-io/transport-node';
import { cacheDirectory } from '../../../src/dev/cache';
import { findOnPath, isExecutableFile, runCommand } from '../../../src/dev/commands';
import { intoPlace } from '../../../src/dev/into-place';
import { withLock } from '../../../src/dev/lock';
import { findFreePort } from '../../../src/dev/ports';
import { tryWithProgress } from '../../../src/dev/progress';
import { loopback, startRestartable, type RestartableServer } from './restartable';

export const NATS_VERSION = '2.15.2';
const GO_MODULE = `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`;
/** Measured: 90 s on two cores that others used too. */
const BUILD_ESTIMATE_MS = 90_000;
const BUILD_MS_MAX = 9 * 60_000;
const OUTPUT_SHOWN_CHARACTERS = 500;

export const NATS_USER = { username: 'aftercommit', password: 'nats-test-password' };
/** May publish to one subject only. */
export const NATS_LIMITED_USER = { username: 'limited', password: 'nats-limited-password' };
export const NATS_LIMITED_SUBJECT = 'limited.allowed';

export interface NatsServer extends RestartableServer {
  port: number;
}

/** Builds nats-server when it is not in the cache, and starts it with JetStream. */
export async function startNats(env: NodeJS.ProcessEnv): Promise<NatsServer> {
  const command = await installNats(env);
  const port = await findFreePort({ name: 'NATS', preferred: 0 });
  const server = await startRestartable('nats', async (directory) => {
    const file = path.join(directory, 'nats.conf');
    await writeFile(file, configurationOf(port, path.join(directory, 'data')));
    return { command, args: ['-c', file], env, answers: () => answers(port) };
  });
  return { ...server, port };
}

async function answers(port: number): Promise<boolean> {
  const { username: user, password: pass } = NATS_USER;
  const connection = await connect({ servers: loopback(port), user, pass, reconnect: false });
  await connection.close();
  return true;
}

async function installNats(env: NodeJS.ProcessEnv): Promise<string> {
  const cache = cacheDirectory(env);
  const target = path.join(cache, `nats-server-${NATS_VERSION}`, 'nats-server');
  return withLock({ file: path.join(cache, 'nats-server.lock') }, async () => {
    if (await isExecutableFile(target)) return target;
    const go = await findOnPath('go', env);
    if (go === undefined) throw new Error('nats-server is built from its source: no go on PATH.');
    const failure = await intoPlace(target, (partial) =>
      tryWithProgress({ title: 'Building nats-server', estimateMs: BUILD_ESTIMATE_MS }, async () => {
        const result = await runCommand({
          command: go,
          args: ['install', GO_MODULE],
          env: { ...env, GOBIN: partial },
          timeoutMs: BUILD_MS_MAX,
        });
        if (result.succeeded) return undefined;
        return `${result.failure}: ${result.output.slice(-OUTPUT_SHOWN_CHARACTERS)}`;
      }),
    );
    if (failure !== undefined) throw new Error(`nats-server could not be built: ${failure}`);
    return target;
  });
}

function configurationOf(port: number, directory: string): string {
  const { username, password } = NATS_USER;
  const limited = NATS_LIMITED_USER;
  return `
host: 127.0.0.1
port: ${port}
max_payload: 131072
jetstream { store_dir: "${directory}", sync_interval: always }
authorization {
  users = [
    { user: "${username}", password: "${password}" }
    {
      user: "${limited.username}", password: "${limited.password}"
      permissions { publish: ["${NATS_LIMITED_SUBJECT}", "$JS.API.>"], subscribe: ["_INBOX.>"] }
    }
  ]
}
`;
}
