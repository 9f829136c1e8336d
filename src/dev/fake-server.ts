import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { EvidenceLog } from './evidence-log';

/**
 * What the fakes of other people's systems have in common: an HTTP server on loopback that writes evidence before it
 * answers, can be told to misbehave at `POST /_control`, and shows its evidence at `GET /_log`.
 */
export interface FakeServer {
  url: string;
  port: number;
  /**
   * Stops listening, lets open requests finish for `graceMs` (default 0), cuts the rest and closes the log. Idempotent.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

export interface FakeServerOptions {
  /** 0 takes any free port. */
  port: number;
  /** The append-only JSONL file. Kept over restarts: what it says happened is still so after one. */
  logFile: string;
  /** Default 127.0.0.1. */
  host?: string;
}

export interface FakeRequest {
  method: string;
  /** Path without query, percent-encoded as it came. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

/** How a request is answered. Evidence has been written by then; `delayMs` only holds back the answer. */
export type FakeAnswer =
  | {
      kind: 'answer';
      status: number;
      /** A string goes out as it is, anything else as JSON. */
      body: unknown;
      headers?: Record<string, string>;
      delayMs?: number;
      /** Comes before `delayMs`. Must not reject. */
      waitFor?: Promise<void>;
      /** Called right before the answer is written, or when the caller has gone. */
      beforeAnswer?: () => void;
    }
  /** The connection is reset without a byte of answer. */
  | { kind: 'cut'; delayMs?: number; waitFor?: Promise<void> }
  /** Never answered; the connection stays open. */
  | { kind: 'silence' };

/** One fake: how it handles a request and what can be changed while it runs. Both are synchronous, hence atomic. */
export interface FakeBehaviour {
  handle(request: FakeRequest): FakeAnswer;
  /** Applies a control document and returns the settings in force. @throws z.ZodError for a bad document */
  control(document: unknown): unknown;
  /** What the evidence says of a control document that was applied. Default: all of it. */
  evidenceOfControl?(document: unknown): unknown;
  /** Ends what the fake does on its own; nothing may be written to the log after it. */
  close?(): void;
}

/** Far above any message or order; a fake must not be filled up by a runaway client. */
const BODY_BYTES_MAX = 1_048_576;
/** Longer than any client of ours keeps an idle connection, so that a reused one is never closed under a request. */
const KEEP_ALIVE_MS = 65_000;

/** Starts a fake. @throws Error (EADDRINUSE and the like) when the port cannot be had */
export async function startFakeServer(
  options: FakeServerOptions,
  createBehaviour: (log: EvidenceLog) => FakeBehaviour,
): Promise<FakeServer> {
  const host = options.host ?? '127.0.0.1';
  const log = new EvidenceLog(options.logFile);
  const behaviour = createBehaviour(log);
  const waiting = new Set<NodeJS.Timeout>();
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, response) => {
    void serve(incoming, response, behaviour, log, waiting);
  });
  try {
    await listen(server, options.port, host);
  } catch (error) {
    log.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;

  let closed: Promise<void> | undefined;
  const close = ({ graceMs = 0 }: { graceMs?: number } = {}): Promise<void> => {
    if (!closed) behaviour.close?.();
    closed ??= stop(server, waiting, graceMs).then(() => {
      log.close();
    });
    return closed;
  };
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port, close };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  behaviour: FakeBehaviour,
  log: EvidenceLog,
  waiting: Set<NodeJS.Timeout>,
): Promise<void> {
  try {
    const request = await readRequest(incoming);
    const answer =
      request === null
        ? jsonAnswer(413, { message: `body over ${BODY_BYTES_MAX} bytes` })
        : route(request, behaviour, log);
    deliver(answer, incoming, response, waiting);
  } catch (error) {
    // A caller that vanished while it sent is part of the game; anything else is a bug of the fake and must be seen.
    if (incoming.socket.destroyed) return;
    console.error(error);
    deliver(jsonAnswer(500, { message: 'bug in the fake, see its stderr' }), incoming, response, waiting);
  }
}

function route(request: FakeRequest, behaviour: FakeBehaviour, log: EvidenceLog): FakeAnswer {
  if (request.path === '/_log' && request.method === 'GET') return jsonAnswer(200, log.entries());
  if (request.path === '/_control') return control(request, behaviour, log);
  return behaviour.handle(request);
}

function control(request: FakeRequest, behaviour: FakeBehaviour, log: EvidenceLog): FakeAnswer {
  if (request.method === 'GET') return jsonAnswer(200, behaviour.control({}));
  if (request.method !== 'POST') return jsonAnswer(405, { message: 'GET or POST' });
  const document = parseJson(request.body);
  try {
    const settings = behaviour.control(document);
    log.append({ type: 'control', document: behaviour.evidenceOfControl?.(document) ?? document });
    return jsonAnswer(200, settings);
  } catch (error) {
    if (error instanceof z.ZodError) return jsonAnswer(400, { message: z.prettifyError(error) });
    throw error;
  }
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // The rest is read and dropped, because closing early would reach the caller as a reset instead of the 413.
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (bytes > BODY_BYTES_MAX) return null;
  const target = incoming.url ?? '/';
  const queryAt = target.indexOf('?');
  return {
    method: incoming.method ?? 'GET',
    path: queryAt === -1 ? target : target.slice(0, queryAt),
    query: new URLSearchParams(queryAt === -1 ? '' : target.slice(queryAt + 1)),
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function deliver(
  answer: FakeAnswer,
  incoming: IncomingMessage,
  response: ServerResponse,
  waiting: Set<NodeJS.Timeout>,
): void {
  if (answer.kind === 'silence') return;
  if (answer.waitFor) {
    const { waitFor, ...rest } = answer;
    void waitFor.then(() => {
      deliver(rest, incoming, response, waiting);
    });
    return;
  }
  const act = (): void => {
    if (answer.kind === 'cut') {
      incoming.socket.resetAndDestroy();
      return;
    }
    answer.beforeAnswer?.();
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(text);
  };
  const delayMs = answer.delayMs ?? 0;
  if (delayMs === 0) {
    act();
    return;
  }
  const timer = setTimeout(() => {
    waiting.delete(timer);
    act();
  }, delayMs);
  waiting.add(timer);
}

export function jsonAnswer(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Extract<FakeAnswer, { kind: 'answer' }> {
  return { kind: 'answer', status, body, headers };
}

/** The parsed text, or undefined when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function stop(server: Server, waiting: Set<NodeJS.Timeout>, graceMs: number): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  const cutRest = (): void => {
    for (const timer of waiting) clearTimeout(timer);
    waiting.clear();
    server.closeAllConnections();
  };
  if (graceMs === 0) cutRest();
  const cutLater = setTimeout(cutRest, graceMs);
  await stopped;
  clearTimeout(cutLater);
}
