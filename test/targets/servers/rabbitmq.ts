import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Connection } from 'rabbitmq-client';
import { findOnPath, isExecutableFile, runCommand } from '../../../src/dev/commands';
import { startProcess } from '../../../src/dev/processes';
import { findFreePort } from '../../../src/dev/ports';
import { tryWithProgress } from '../../../src/dev/progress';
import { loopback, startRestartable, type RestartableServer } from './restartable';
import { serverDirectory } from './server';

/** Debian's package puts a wrapper on PATH that changes the user; this is what it runs. */
const PROGRAM = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const INSTALL_ESTIMATE_MS = 60_000;
const INSTALL_MS_MAX = 8 * 60_000;
/** Small, so that a test for an event that is too large needs none of 128 MB. Bytes. */
const MESSAGE_BYTES_MAX = 65_536;

export interface RabbitmqServer extends RestartableServer {
  port: number;
}

/** Installs RabbitMQ with apt-get when it is not there, and starts a node of its own. */
export async function startRabbitmq(env: NodeJS.ProcessEnv): Promise<RabbitmqServer> {
  await installRabbitmq(env);
  const epmd = await startEpmd(env);
  const port = await findFreePort({ name: 'RabbitMQ', preferred: 0, taken: new Set([epmd.port]) });
  const distribution = await findFreePort({
    name: 'RabbitMQ, distribution',
    preferred: 0,
    taken: new Set([epmd.port, port]),
  });
  const server = await startRestartable('rabbitmq', async (directory) => {
    const file = path.join(directory, 'rabbitmq.conf');
    const lines = [`listeners.tcp.1 = ${loopback(port)}`, `max_message_size = ${MESSAGE_BYTES_MAX}`, ''];
    await writeFile(file, lines.join('\n'));
    await writeFile(path.join(directory, 'enabled_plugins'), '[].\n');
    const settings = {
      HOME: directory,
      ERL_EPMD_PORT: String(epmd.port),
      RABBITMQ_NODENAME: 'aftercommit-test@localhost',
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_CONFIG_FILE: file,
      RABBITMQ_ENABLED_PLUGINS_FILE: path.join(directory, 'enabled_plugins'),
      RABBITMQ_MNESIA_BASE: path.join(directory, 'data'),
      RABBITMQ_LOG_BASE: path.join(directory, 'logs'),
      RABBITMQ_PID_FILE: path.join(directory, 'pid'),
    };
    return { command: PROGRAM, args: [], env: { ...env, ...settings }, answers: () => answers(port) };
  });
  return {
    ...server,
    port,
    async stop() {
      await server.stop();
      await epmd.stop();
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const connection = new Connection({ url: `amqp://guest:guest@${loopback(port)}` });
  connection.on('error', () => undefined);
  try {
    await connection.onConnect(5_000);
    return true;
  } finally {
    connection.unsafeDestroy();
  }
}

/** Erlang's name service, on a port of its own: else RabbitMQ starts one that stays for ever. */
async function startEpmd(env: NodeJS.ProcessEnv): Promise<{ port: number; stop(): Promise<void> }> {
  const port = await findFreePort({ name: 'epmd', preferred: 0 });
  const directory = await serverDirectory('epmd');
  const epmd = await startProcess({
    name: 'epmd',
    command: (await findOnPath('epmd', env)) ?? 'epmd',
    args: ['-port', String(port), '-address', '127.0.0.1', '-relaxed_command_check'],
    env,
    logFile: path.join(directory, 'log'),
  });
  return {
    port,
    stop: async () => {
      await epmd.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function installRabbitmq(env: NodeJS.ProcessEnv): Promise<void> {
  if (await isExecutableFile(PROGRAM)) return;
  const command = await findOnPath('apt-get', env);
  if (command === undefined || process.getuid?.() !== 0) {
    throw new Error(
      'RabbitMQ is not installed, and only root on a machine with apt-get can have it installed here. ' +
        'Run: apt-get install rabbitmq-server',
    );
  }
  const failure = await tryWithProgress(
    { title: 'Installing RabbitMQ with apt-get', estimateMs: INSTALL_ESTIMATE_MS },
    async () => {
      const result = await runCommand({
        command,
        args: ['install', '--yes', '--no-install-recommends', 'rabbitmq-server'],
        // The package would start a service of the machine; this keeps it from doing so where there is one.
        env: { ...env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
        timeoutMs: INSTALL_MS_MAX,
      });
      return result.succeeded ? undefined : `${result.failure}: ${result.output.slice(-500)}`;
    },
  );
  if (failure !== undefined) throw new Error(`RabbitMQ could not be installed: ${failure}`);
}
