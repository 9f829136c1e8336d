import { Router } from 'express';
import {
  DatabaseUnavailableError,
  ShuttingDownError,
  TemporalUnavailableError,
  type AppError,
} from '../errors';
import type { HttpDeps } from './deps';
import type { Health } from './health';
import { answers, type Operation } from './operations';
import { route } from './routes';
import { z } from './zod';

/** Whether the process runs, and whether it can do its work. Open to everybody; says nothing that could be used. */
export function statusRouter({ health, version }: Pick<HttpDeps, 'health' | 'version'>): Router {
  const router = Router();
  route(router, '/healthz', {
    get: { handle: (_req, res) => void res.json({ status: 'ok', version }) },
  });
  route(router, '/readyz', {
    get: {
      handle: (_req, res) => {
        const missing = missingPart(health);
        if (missing !== null) throw missing;
        res.json({ status: 'ready', checks: { database: true, temporal: true, migrations: true } });
      },
    },
  });
  return router;
}

function missingPart(health: Health): AppError | null {
  const { database, temporal, migrationsMissing } = health;
  const details = { extensions: { database, temporal, migrations: migrationsMissing?.length === 0 } };
  if (health.draining) return new ShuttingDownError('This process is shutting down.', details);
  if (!database) return new DatabaseUnavailableError('The database cannot be reached.', details);
  if (migrationsMissing === null || migrationsMissing.length > 0) {
    return new DatabaseUnavailableError(
      `Migrations are missing: ${migrationsMissing?.join(', ') ?? 'unknown'}.`,
      details,
    );
  }
  if (!temporal) return new TemporalUnavailableError('Temporal cannot be reached.', details);
  return null;
}

const Checks = z.object({ database: z.boolean(), temporal: z.boolean(), migrations: z.boolean() });

export const statusOperations: Operation[] = [
  {
    method: 'get',
    path: '/healthz',
    tags: ['Service'],
    security: [],
    summary: 'The process runs',
    responses: answers({ 200: z.object({ status: z.literal('ok'), version: z.string() }) }),
  },
  {
    method: 'get',
    path: '/readyz',
    tags: ['Service'],
    security: [],
    summary: 'Database, Temporal and migrations are there',
    responses: answers({ 200: z.object({ status: z.literal('ready'), checks: Checks }) }, [503]),
  },
];
