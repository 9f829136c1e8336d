import { identify, isAlive, sendSignal } from '../../../src/dev/process-identity';
import { waitFor } from '../../support/wait';
import { serverDirectory, startServer, type Server, type ServerOptions } from './server';

/** A server that can be killed in the middle of its work and started again on what it has stored. */
export interface RestartableServer {
  /** Kills the process outright; resolves when it is gone. */
  crash(): Promise<void>;
  /** Starts it again; resolves when it answers. */
  start(): Promise<void>;
  /** Stops it and removes what it stored. */
  stop(): Promise<void>;
}

/**
 * Starts a server that keeps its directory over a crash.
 * @param optionsIn - how to start it in that directory, asked for once
 */
export async function startRestartable(
  name: string,
  optionsIn: (directory: string) => Promise<Omit<ServerOptions, 'name' | 'directory'>>,
): Promise<RestartableServer> {
  const directory = await serverDirectory(name);
  const options: ServerOptions = { name, directory, ...(await optionsIn(directory)) };
  let server: Server = await startServer(options);
  return {
    async crash() {
      const running = identify(server.pid);
      sendSignal(server.pid, 'SIGKILL');
      await waitFor(`${name} is gone`, () => running === undefined || !isAlive(running));
    },
    async start() {
      server = await startServer(options);
    },
    stop: () => server.stop(),
  };
}

/** `127.0.0.1:port`. */
export function loopback(port: number): string {
  return `127.0.0.1:${port}`;
}
