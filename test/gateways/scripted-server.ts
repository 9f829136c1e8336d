import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that answers every request the same way, until it is told another one. */
export interface ScriptedServer {
  url: string;
  /** What it answers from now on. Forgets the requests before. */
  answer(status: number, body: string, headers?: OutgoingHttpHeaders): void;
  /** Paths that were asked for since then. */
  paths(): string[];
  /** The Authorization header of the last request. */
  authorization(): string | undefined;
  stop(): Promise<void>;
}

export async function startScriptedServer(): Promise<ScriptedServer> {
  let script: { status: number; body: string; headers: OutgoingHttpHeaders } = {
    status: 503,
    body: '',
    headers: {},
  };
  let paths: string[] = [];
  let authorization: string | undefined;
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    authorization = request.headers.authorization;
    request.resume();
    request.once('end', () => response.writeHead(script.status, script.headers).end(script.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer(status, body, headers = {}) {
      script = { status, body, headers };
      paths = [];
    },
    paths: () => paths,
    authorization: () => authorization,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
