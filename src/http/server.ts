import { STATUS_CODES, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import { AppError, MalformedRequestError, RequestTimeoutError } from '../errors';
import { PROBLEM_MEDIA_TYPE, problemOf } from './problems';

/** Bounds on what one connection may cost. Milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Above the 60 s after which common load balancers drop idle connections: whoever closes first must not be us. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** Browsers and proxies send some tens. Node also ends headers above 16 KB. */
const HEADERS_MAX = 100;

/** More or larger headers than anything sensible sends. */
export class HeadersTooLargeError extends AppError {
  static override readonly code = 'headers_too_large';
  static override readonly httpStatus = 431;
}

/**
 * Sets the time-outs and limits of a server that runs the app, and makes problem documents of what Node refuses before
 * there is a request: broken framing (Content-Length with Transfer-Encoding included), headers above 16 KB, a request
 * that does not arrive in time.
 */
export function configureServer(server: Server): Server {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  // Node drops what is above its limit without a word; one more than allowed lets the app see it and refuse.
  server.maxHeadersCount = HEADERS_MAX + 1;
  server.on('clientError', refuse);
  return server;
}

function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(clientErrorOf(error.code), randomUUID());
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function clientErrorOf(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') return new HeadersTooLargeError('The headers are too large.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new RequestTimeoutError('The request did not arrive in time.');
  return new MalformedRequestError('This is not a valid HTTP request.');
}

/** Refuses requests with more headers than a sensible client sends. */
export const limitHeaders: RequestHandler = (req, _res, next) => {
  if (req.rawHeaders.length / 2 > HEADERS_MAX) {
    throw new HeadersTooLargeError(`A request may have ${HEADERS_MAX} headers.`);
  }
  next();
};
