import { connect, createServer } from 'node:net';
import { ConfigError } from '../errors';
import { errorCode } from './error-code';

/** How a port is looked for. */
export interface PortOptions {
  /** What will listen there, for the message: "API". */
  name: string;
  /** The port to try first; 0 takes any free one and says nothing. */
  preferred: number;
  /** The address that will be listened on. Default 127.0.0.1. */
  host?: string;
  /** Ports promised to other parts that do not listen yet. */
  taken?: ReadonlySet<number>;
  /** Told when the preferred port is busy. */
  say?: (line: string) => void;
}

/** Further than this the numbers would no longer be recognised as belonging to the preferred one. */
const PORTS_TRIED_MAX = 50;
const PORT_MAX = 65_535;
const CONNECT_TIMEOUT_MS = 500;

/**
 * Finds a port that is free now: the preferred one, else the next free one, and says so. Nothing holds it until the
 * caller listens, so a caller that loses the race asks again.
 * @throws ConfigError when none of 50 ports can be had
 */
export async function findFreePort(options: PortOptions): Promise<number> {
  const { name, preferred, host = '127.0.0.1', taken } = options;
  if (preferred === 0) return anyFreePort(host, taken);
  const last = Math.min(preferred + PORTS_TRIED_MAX - 1, PORT_MAX);
  for (let port = preferred; port <= last; port += 1) {
    if (taken?.has(port) === true || !(await isFree(port, host))) continue;
    if (port !== preferred) options.say?.(`Port ${preferred} is busy: ${name} uses ${port}.`);
    return port;
  }
  throw new ConfigError(`No free port for ${name}: ${preferred} to ${last} are all busy or refused.`);
}

async function anyFreePort(host: string, taken: ReadonlySet<number> | undefined): Promise<number> {
  for (let attempt = 0; attempt < PORTS_TRIED_MAX; attempt += 1) {
    const port = await listenOnce(0, host);
    if (port !== undefined && taken?.has(port) !== true) return port;
  }
  throw new ConfigError(`The system has no free port on ${host}.`);
}

/**
 * Listening alone does not prove it: on macOS a loopback address can be bound while another process listens on all
 * addresses, and a client could then reach either. So a port on which something answers is busy too.
 */
async function isFree(port: number, host: string): Promise<boolean> {
  return (await listenOnce(port, host)) !== undefined && !(await answers(port, host));
}

function listenOnce(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (errorCode(error) === 'EADDRNOTAVAIL') {
        reject(new ConfigError(`${host} is not an address of this machine.`, { cause: error }));
      } else {
        resolve(undefined);
      }
    });
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}

function answers(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const target = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    const socket = connect({ port, host: target, timeout: CONNECT_TIMEOUT_MS });
    const finish = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}
