import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Behaviour } from '../../contract/http-target';
import type { Situation } from '../../contract/target';

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A webhook receiver on loopback that does what it is told. */
export interface Sink {
  url: string;
  requests: ReceivedRequest[];
  /** Those of them that it took, whether or not the answer arrived. */
  accepted: ReceivedRequest[];
  /** Bytes of answers' bodies that could be written: shows that an endless one was cut. */
  bytesWritten(): number;
  behave(behaviour: Behaviour): void;
  /** Refuses connections until `listen`, at the same port. */
  refuse(): Promise<void>;
  listen(): Promise<void>;
  close(): Promise<void>;
}

const DRIP_INTERVAL_MS = 20;
const CHUNK = Buffer.alloc(16 * 1_024, 'x');

const BEHAVIOURS: Readonly<Record<Exclude<Situation, 'unreachable'>, Behaviour>> = {
  accepts: { kind: 'answer', status: 200 },
  refuses: { kind: 'answer', status: 400 },
  throttles: { kind: 'answer', status: 429 },
  fails: { kind: 'answer', status: 503 },
  hangs: { kind: 'hang' },
  'accepts-then-cuts': { kind: 'accept-then-cut' },
};

/** HTTP has a word for each. */
export const SINK_SITUATIONS = [...Object.keys(BEHAVIOURS), 'unreachable'] as readonly Situation[];

export async function arrangeSink(sink: Sink, situation: Situation): Promise<void> {
  if (situation === 'unreachable') return sink.refuse();
  await sink.listen();
  sink.behave(BEHAVIOURS[situation]);
}

export async function openSink(): Promise<Sink> {
  let behaviour: Behaviour = { kind: 'answer', status: 200 };
  let bytesWritten = 0;
  const requests: ReceivedRequest[] = [];
  const accepted: ReceivedRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const received = { method, path, headers, body: Buffer.concat(chunks).toString() };
      requests.push(received);
      if (accepts(behaviour)) accepted.push(received);
      act(behaviour, response, (bytes) => (bytesWritten += bytes));
    });
  });
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    requests,
    accepted,
    bytesWritten: () => bytesWritten,
    behave: (next) => (behaviour = next),
    refuse: () => closeServer(server),
    listen: () => (server.listening ? Promise.resolve() : listen(server, port)),
    close: () => closeServer(server),
  };
}

function accepts(behaviour: Behaviour): boolean {
  if (behaviour.kind === 'answer') return behaviour.status >= 200 && behaviour.status < 300;
  return behaviour.kind === 'accept-then-cut';
}

function act(behaviour: Behaviour, response: ServerResponse, count: (bytes: number) => void): void {
  switch (behaviour.kind) {
    case 'answer':
      response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body);
      return;
    case 'hang':
      return;
    case 'accept-then-cut':
      response.socket?.destroy();
      return;
    case 'endless-body':
      response.writeHead(200);
      pour(response, count);
      return;
    case 'drip-body':
      response.writeHead(200).flushHeaders();
      drip(response);
      return;
    case 'drip-headers':
      response.socket?.write('HTTP/1.1 200 OK\r\nx-drip: ');
      drip(response);
      return;
    case 'huge-headers':
      response.socket?.write(`HTTP/1.1 200 OK\r\nx-huge: ${'x'.repeat(10 * 1_024 * 1_024)}`);
  }
}

/** Writes as fast as the other side reads, until it closes. */
function pour(response: ServerResponse, count: (bytes: number) => void): void {
  while (!response.destroyed) {
    count(CHUNK.length);
    if (!response.write(CHUNK)) {
      response.once('drain', () => pour(response, count));
      return;
    }
  }
}

function drip(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null) return;
  const timer = setInterval(
    () => (response.headersSent ? response.write('x') : socket.write('x')),
    DRIP_INTERVAL_MS,
  );
  socket.once('close', () => clearInterval(timer));
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
