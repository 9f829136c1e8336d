import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TokenRequest {
  method: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** What it answers with; `hang` is no answer. */
export type TokenAnswer =
  { status?: number; headers?: Record<string, string>; body: unknown } | 'hang' | 'endless';

/** An authorization server's token endpoint on loopback. By default it issues token-1, token-2 and so on. */
export interface TokenEndpoint {
  url: string;
  requests: TokenRequest[];
  /** What every request gets from now on; null: the next token. */
  answer: TokenAnswer | null;
  /** Seconds; what tokens are said to live. */
  expiresIn: number;
  close(): Promise<void>;
}

const CHUNK = 'x'.repeat(16 * 1_024);

export async function openTokenEndpoint(): Promise<TokenEndpoint> {
  const endpoint: TokenEndpoint = {
    url: '',
    requests: [],
    answer: null,
    expiresIn: 3_600,
    close: () => closeServer(server),
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', headers } = request;
      endpoint.requests.push({ method, headers, body: Buffer.concat(chunks).toString() });
      const { answer, expiresIn } = endpoint;
      if (answer === 'hang') return;
      if (answer === 'endless') {
        const pour = (): void => {
          while (!response.destroyed && response.write(CHUNK));
        };
        response.on('drain', pour);
        pour();
        return;
      }
      const token = `token-${endpoint.requests.length}`;
      const {
        status = 200,
        headers: extra = {},
        body,
      } = answer ?? {
        body: { access_token: token, token_type: 'Bearer', expires_in: expiresIn },
      };
      response.writeHead(status, { 'content-type': 'application/json', ...extra });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  endpoint.url = `${await listen(server)}/oauth/token`;
  return endpoint;
}

/** A receiver that lets in every token but those that it was told to refuse. */
export interface ProtectedEndpoint {
  url: string;
  requests: TokenRequest[];
  refuse(status: number, ...tokens: string[]): void;
  close(): Promise<void>;
}

export async function openProtectedEndpoint(): Promise<ProtectedEndpoint> {
  const requests: TokenRequest[] = [];
  let refused: { status: number; tokens: string[] } = { status: 401, tokens: [] };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', headers } = request;
      requests.push({ method, headers, body: Buffer.concat(chunks).toString() });
      const isRefused = refused.tokens.some((token) => headers.authorization === `Bearer ${token}`);
      response.writeHead(isRefused ? refused.status : 200).end();
    });
  });
  return {
    url: `${await listen(server)}/hook`,
    requests,
    refuse: (status, ...tokens) => (refused = { status, tokens }),
    close: () => closeServer(server),
  };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
