import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Pool, PoolClient } from 'pg';
import { createInbox, processOnce, verifyWebhook } from '../../src/consumer';
import { applyOrderEvent, PROJECTION_DDL, readOrderEvent, UnreadableEventError } from './projection';
import { inTransaction } from './transaction';

/** An event's detail ends at 256 KB; its envelope adds some hundred bytes. */
const BODY_BYTES_MAX = 512 * 1_024;

export interface ConsumerOptions {
  /** The consumer's own database. */
  pool: Pool;
  /** `whsec_…`, one or, while they change over, several: each may have signed. */
  secrets: readonly string[];
  /** Called for each event that is new, after the projection changed and before the commit. What it throws undoes it all. */
  onEvent?: ((event: { id: string; type: string }, tx: PoolClient) => unknown) | undefined;
  /** Told of each request that is answered 500. Errors may hold values of the event: log their names and codes. */
  onError?: ((error: unknown) => void) | undefined;
}

/** Creates the inbox and the projection if they are not there. */
export async function createTables(pool: Pool): Promise<void> {
  await createInbox(pool);
  await pool.query(PROJECTION_DDL);
}

/**
 * Receives deliveries at `POST /events`. What it answers decides what happens next:
 * 204 the event is committed, now or before; 5xx it is not, send it again; 4xx it never will be, make it a dead letter.
 */
export function createConsumer({ pool, secrets, onEvent, onError }: ConsumerOptions): Express {
  const receive: RequestHandler = async (req, res) => {
    const body: unknown = req.body;
    if (!Buffer.isBuffer(body)) throw new UnreadableEventError('there is no body');
    const verdict = verifyWebhook({ headers: req.headers, body, secrets, now: Date.now() });
    if (!verdict.ok) throw new UnreadableEventError(`the signature is ${verdict.reason}`);
    const event = readOrderEvent(body);
    await inTransaction(pool, async (tx) => {
      await processOnce(tx, event.id, async () => {
        await applyOrderEvent(tx, event);
        await onEvent?.(event, tx);
      });
    });
    // Only now: before the commit a crash would lose the event, which the sender believes delivered.
    res.status(204).end();
  };
  const app = express();
  app.disable('x-powered-by');
  // The signature is of the bytes as they came, so nothing may parse them first.
  app.post('/events', express.raw({ type: () => true, limit: BODY_BYTES_MAX, inflate: false }), receive);
  app.use(answerError(onError));
  return app;
}

function answerError(onError: ConsumerOptions['onError']): ErrorRequestHandler {
  return (error: unknown, _req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const status = statusOf(error);
    if (status >= 500) onError?.(error);
    res.status(status).end();
  };
}

/** What can never be read, those of express (too large, cut off), and everything else, which may work later. */
function statusOf(error: unknown): number {
  if (error instanceof UnreadableEventError) return 400;
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}
