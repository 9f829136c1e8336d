import { SequenceGapError, verifyWebhook } from 'aftercommit/consumer';
import express, { type ErrorRequestHandler, type Express } from 'express';
import type { Pool } from 'pg';
import { cancelCharge, handleEvent, readCharge, type BookingEvent } from './payments';

/** An event's detail ends at 256 KB; its envelope adds some hundred bytes. */
const BODY_BYTES_MAX = 512 * 1_024;

class UnreadableEventError extends Error {}

/** The payment service over HTTP: deliveries at `POST /events`; a charge is read and taken back at `/charges/{bookingId}`. */
export function createPaymentApp({ pool, secret }: { pool: Pool; secret: string }): Express {
  const app = express();
  app.disable('x-powered-by');
  // The signature is of the bytes as they came.
  app.post('/events', express.raw({ type: () => true, limit: BODY_BYTES_MAX }), async (req, res) => {
    const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    const verdict = verifyWebhook({ headers: req.headers, body, secrets: [secret], now: Date.now() });
    if (!verdict.ok) throw new UnreadableEventError(verdict.reason);
    await handleEvent(pool, readEvent(body));
    // Only after the commit.
    res.status(204).end();
  });
  app.get('/charges/:bookingId', async (req, res) => {
    const state = await readCharge(pool, req.params.bookingId);
    if (state === null) res.status(404).end();
    else if (state.kind === 'done') res.json(state.value);
    else res.json({ kind: 'refused', code: state.kind === 'refused' ? state.code : state.kind });
  });
  app.delete('/charges/:bookingId', async (req, res) => {
    await cancelCharge(pool, req.params.bookingId);
    res.status(204).end();
  });
  app.use(answerError);
  return app;
}

/** 4xx: no repeat will make it right, and it becomes a dead letter. 5xx: it may work later, and is sent again. */
const answerError: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  if (res.headersSent) return next(error);
  if (error instanceof UnreadableEventError) return void res.status(400).end();
  res.status(error instanceof SequenceGapError ? 503 : 500).end();
};

function readEvent(body: Buffer): BookingEvent {
  const { 'detail-type': type, detail } = parse(body) as {
    'detail-type'?: unknown;
    detail?: Record<string, unknown>;
  };
  const { subject, seq } = detail ?? {};
  if (typeof type !== 'string' || typeof subject !== 'string' || !Number.isSafeInteger(seq)) {
    throw new UnreadableEventError('not an event of a booking');
  }
  return { type, bookingId: subject, seq: seq as number, detail: detail! };
}

function parse(body: Buffer): object {
  try {
    return Object(JSON.parse(body.toString('utf8'))) as object;
  } catch {
    throw new UnreadableEventError('the body is not JSON');
  }
}
