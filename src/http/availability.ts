import { DatabaseUnavailableError, TemporalUnavailableError } from '../errors';
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

/**
 * While Temporal is known to be down, nothing is begun that only a workflow can carry out.
 * @throws TemporalUnavailableError
 */
export function assertTemporal(health: Pick<Health, 'temporal'>): void {
  if (!health.temporal) throw new TemporalUnavailableError('Temporal cannot be reached; repeat the request.');
}

/** Wraps handlers that can do nothing without the database. */
export function requireDatabase(health: Pick<Health, 'database'>): (handle: Handler) => Handler {
  return (handle) => (req, res, next) => {
    assertDatabase(health);
    return handle(req, res, next);
  };
}
