import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Behaviour } from '../../contract/target';

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
  /** Bytes of answers' bodies that could be written: shows that an endless one was cut. */
  bytesWritten(): number;
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

const DRIP_INTERVAL_MS = 20;
const CHUNK = Buffer.alloc(16 * 1_024, 'x');

export async function openSink(): Promise<Sink> {
  let behaviour: Behaviour = { kind: 'answer', status: 200 };
  let bytesWritten = 0;
  const requests: ReceivedRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      requests.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
      act(behaviour, response, (bytes) => (bytesWritten += bytes));
    });
  });
  await listen(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    requests,
    bytesWritten: () => bytesWritten,
    behave: (next) => (behaviour = next),
    close: () => closeServer(server),
  };
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

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
