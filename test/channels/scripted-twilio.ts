import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ScriptedRequest {
  method: string;
  /** Path and query as they came. */
  target: string;
  path: string;
  query: URLSearchParams;
  /** Names may come more than once. */
  form: URLSearchParams;
  /** The form as it came. */
  body: string;
  headers: IncomingMessage['headers'];
}

/** A Twilio that answers exactly what a test says, for what the fake never does, and shows what it was asked. */
export interface ScriptedTwilio {
  url: string;
  requests: ScriptedRequest[];
  close(): Promise<void>;
}

export async function startScriptedTwilio(
  answer: (response: ServerResponse, request: ScriptedRequest) => unknown,
): Promise<ScriptedTwilio> {
  const requests: ScriptedRequest[] = [];
  const server = createServer((incoming, response) => {
    void readRequest(incoming).then((request) => {
      requests.push(request);
      answer(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** Answers every request with this document. */
export function json(status: number, document: unknown): (response: ServerResponse) => unknown {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  return (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

async function readRequest(incoming: IncomingMessage): Promise<ScriptedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString('utf8');
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://127.0.0.1');
  return {
    method: incoming.method ?? '',
    target: incoming.url ?? '',
    path: pathname,
    query: searchParams,
    form: new URLSearchParams(body),
    body,
    headers: incoming.headers,
  };
}
