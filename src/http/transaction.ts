import { Router, type Request } from 'express';
import { closeTransaction } from '../database/orders';
import { readRequest } from '../database/requests';
import { DatabaseUnavailableError, ForbiddenError, NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readOptionalJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, type Operation } from './operations';
import { orderIdIn } from './orders';
import { route, type Handler } from './routes';
import { Uuid } from './schemas';
import { checkBody } from './validation';
import { z } from './zod';

const TRANSACTION_PATH = '/v1/orders/{orderId}/transaction';

/** The back-check: whether an order's transaction has committed, and the end of the question. */
export function transactionRouter(deps: HttpDeps): Router {
  const router = Router();
  route(router, TRANSACTION_PATH, {
    get: { scope: 'orders:read', handle: backCheck(deps) },
    post: { scope: 'orders:write', handle: requireDatabase(deps.health)(close(deps)) },
  });
  return router;
}

type State = 'COMMITTED' | 'ROLLED_BACK' | 'UNKNOWN';

/** Reads only. UNKNOWN is an answer too: undecided, or nobody can tell while the database is away. */
function backCheck(deps: HttpDeps): Handler {
  return async (req, res) => {
    const orderId = orderIdIn(req);
    try {
      res.json({ state: deps.health.database ? await readState(deps, orderId) : 'UNKNOWN' });
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      res.json({ state: 'UNKNOWN' });
    }
  };
}

async function readState({ pool }: HttpDeps, orderId: string): Promise<State> {
  const known = await readRequest(pool, orderId);
  if (known === null) throw noSuchRequest();
  if (known.receipt === null) return 'UNKNOWN';
  return known.receipt.state === 'done' ? 'COMMITTED' : 'ROLLED_BACK';
}

/**
 * Fences what has not committed, after waiting for a commit that is still running: the answer is final. Only for whose order
 * it is, because it may end one that is about to commit. The order's workflow meets the fence and ends by itself.
 */
function close(deps: HttpDeps): Handler {
  return async (req, res) => {
    checkBody(z.strictObject({}), await readOptionalJsonBody(req));
    const orderId = await ownOrderId(deps, req, callerOf(res));
    const { decision } = await closeTransaction(deps.pool, orderId);
    res.json({ state: decision === 'committed' ? 'COMMITTED' : 'ROLLED_BACK' });
  };
}

/** @throws NotFoundError, ForbiddenError */
async function ownOrderId({ pool }: HttpDeps, req: Request, caller: string): Promise<string> {
  const orderId = orderIdIn(req);
  const known = await readRequest(pool, orderId);
  if (known === null) throw noSuchRequest();
  if (known.caller === caller) return orderId;
  throw new ForbiddenError('Only the caller whose order it is may close its transaction.');
}

function noSuchRequest(): NotFoundError {
  return new NotFoundError('There is no such order.');
}

const params = z.object({ orderId: Uuid });

export const transactionOperations: Operation[] = [
  {
    method: 'get',
    path: TRANSACTION_PATH,
    tags: ['Orders'],
    summary: 'The back-check: did the transaction commit?',
    description:
      'Reads only. `UNKNOWN`: not decided yet, or the database cannot be asked. 404: no such request has arrived; one that is ' +
      'still on its way may.',
    request: { params },
    responses: guardedAnswers(
      {
        200: z.object({ state: z.enum(['COMMITTED', 'ROLLED_BACK', 'UNKNOWN']) }).openapi('TransactionState'),
      },
      [404],
    ),
  },
  {
    method: 'post',
    path: TRANSACTION_PATH,
    tags: ['Orders'],
    summary: 'Close the transaction: what has not committed never can',
    description:
      'Waits for a commit that is still running. The answer is final, and a commit that comes later is 409 ' +
      '`transaction_closed`. 403 for another caller than the one who placed the order.',
    request: { params },
    responses: guardedAnswers(
      { 200: z.object({ state: z.enum(['COMMITTED', 'ROLLED_BACK']) }).openapi('ClosedTransactionState') },
      [...BODY_PROBLEMS, 404],
    ),
  },
];
