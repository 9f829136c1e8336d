import { Router } from 'express';
import { eraseCustomer } from '../database/customers';
import { NotFoundError, OrderUndecidedError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { guardedAnswers, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { CustomerId } from './schemas';
import { checkQuery } from './validation';
import { z } from './zod';

const PATH = '/v1/customers/{customerId}';

/** People, as far as the service knows them. */
export function customersRouter(deps: HttpDeps): Router {
  const router = Router();
  route(router, PATH, { delete: { scope: 'admin', handle: requireDatabase(deps.health)(erase(deps)) } });
  return router;
}

/** A request is decided within seconds, or closed after two minutes. */
const RETRY_AFTER_SECONDS = 120;

/** Whoever is not there is erased already. */
function erase({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const customerId = CustomerId.safeParse(parameter(req, 'customerId'));
    if (!customerId.success) throw new NotFoundError('No customer can have this id.');
    const result = await eraseCustomer(pool, { customerId: customerId.data, actor: callerOf(res) });
    if (result === 'undecided') {
      res.setHeader('Retry-After', String(RETRY_AFTER_SECONDS));
      throw new OrderUndecidedError(
        'A request of this customer is not decided yet, or goods are to be sent; repeat this later.',
      );
    }
    res.status(204).end();
  };
}

export const customerOperations: Operation[] = [
  {
    method: 'delete',
    path: PATH,
    tags: ['People'],
    summary: 'Erase a person',
    description:
      'Numbers, their hashes and wishes go; orders, payments and what was sent stay under the customer id. An opt-out stays by the hash of its number. 409 `order_undecided`, with Retry-After, while a request of the customer has no outcome.',
    request: { params: z.object({ customerId: CustomerId }) },
    responses: guardedAnswers({ 204: null }, [400, 404, 409]),
  },
];
