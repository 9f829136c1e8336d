import type { Request } from 'express';
import {
  BodyTooLargeError,
  MalformedRequestError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
} from '../errors';
import { parseStrictJson } from './strict-json';

/** Source: the HTTP contract. 100 order lines need a fifth of it. */
export const BODY_BYTES_MAX = 64 * 1_024;
/**
 * What is read and thrown away of a body that is too large, and for how long, before the answer: a client that is still
 * writing into a closed socket loses the answer that says why.
 */
const DISCARDED_BYTES_MAX = 1_024 * 1_024;
const DISCARDING_MS_MAX = 1_000;
/** A body within the limit fits into a few packets; who needs longer is stuck, or holds connections on purpose. */
const BODY_TIMEOUT_MS = 10_000;

const JSON_MEDIA_TYPE = /^application\/json[ \t]*(;[ \t]*charset=("utf-8"|utf-8)[ \t]*)?$/i;

/**
 * Reads the body of a request as a JSON object, as strictly as `parseStrictJson` says.
 * @throws UnsupportedMediaTypeError, BodyTooLargeError, RequestTimeoutError, MalformedRequestError, InvalidValueError
 */
export async function readJsonBody(req: Request): Promise<Record<string, unknown>> {
  if (!JSON_MEDIA_TYPE.test(req.headers['content-type'] ?? '')) {
    throw new UnsupportedMediaTypeError('Send the body as Content-Type: application/json, in UTF-8.');
  }
  return parseObject(await readBody(req));
}

/** The same for a request whose body may be left out: no bytes at all are an empty object, whatever their type. */
export async function readOptionalJsonBody(req: Request): Promise<Record<string, unknown>> {
  const length = req.headers['content-length'] ?? '0';
  if (length === '0' && req.headers['transfer-encoding'] === undefined) return {};
  return readJsonBody(req);
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  const value = parseStrictJson(decode(bytes));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedRequestError('The body must be a JSON object.');
  }
  return value as Record<string, unknown>;
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new MalformedRequestError('The body is not valid UTF-8.', { cause });
  }
}

/** Bytes as they came. Compressed bodies are refused: 64 KB need no compression, and nothing can explode. */
export async function readBody(req: Request): Promise<Buffer> {
  const encoding = req.headers['content-encoding'] ?? 'identity';
  if (encoding.trim().toLowerCase() !== 'identity') {
    throw new UnsupportedMediaTypeError('Send the body without Content-Encoding.');
  }
  const chunks: Buffer[] = [];
  let received = 0;
  return new Promise<Buffer>((resolve, reject) => {
    const finish = (error: Error | null): void => {
      clearTimeout(timer);
      req.off('data', take).off('end', end).off('close', aborted).off('error', aborted);
      // What still comes is not read any more: the answer closes the connection.
      req.pause();
      if (error === null) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const take = (chunk: Buffer): void => {
      const fitted = received <= BODY_BYTES_MAX;
      received += chunk.length;
      if (received <= BODY_BYTES_MAX) {
        chunks.push(chunk);
      } else if (received > DISCARDED_BYTES_MAX) {
        finish(tooLarge());
      } else if (fitted) {
        clearTimeout(timer);
        timer = setTimeout(() => finish(tooLarge()), DISCARDING_MS_MAX);
      }
    };
    const end = (): void => finish(received > BODY_BYTES_MAX ? tooLarge() : null);
    const aborted = (): void =>
      finish(new MalformedRequestError('The body ended before its length was reached.'));
    const late = (): void => finish(new RequestTimeoutError('The body did not arrive in time.'));
    let timer = setTimeout(late, BODY_TIMEOUT_MS);
    req.on('data', take).on('end', end).on('close', aborted).on('error', aborted);
  });
}

function tooLarge(): BodyTooLargeError {
  return new BodyTooLargeError(`The body has more than ${BODY_BYTES_MAX} bytes.`);
}
