import { DatabaseUnavailableError } from '../errors';
import type { Health } from './health';
import type { Handler } from './routes';

/**
 * While the database is known to be down, the answer is 503 at once, instead of after the time-outs and repeats that
 * would find it out again.
 * @throws DatabaseUnavailableError
 */
export function assertDatabase(health: Pick<Health, 'database'>): void {
  if (!health.database)
    throw new DatabaseUnavailableError('The database cannot be reached; repeat the request.');
}

/** Wraps handlers that can do nothing without the database. */
export function requireDatabase(health: Pick<Health, 'database'>): (handle: Handler) => Handler {
  return (handle) => (req, res, next) => {
    assertDatabase(health);
    return handle(req, res, next);
  };
}
