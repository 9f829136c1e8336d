import { Router } from 'express';
import type { Lag } from '../database/lag';
import {
  DatabaseUnavailableError,
  ShuttingDownError,
  TemporalUnavailableError,
  type AppError,
} from '../errors';
import type { HttpDeps } from './deps';
import type { Health } from './health';
import { answers, type Operation } from './operations';
import { route, type Handler } from './routes';
import { z } from './zod';

/** Whether the process runs, and whether it can do its work. Open to everybody; says nothing that could be used. */
export function statusRouter(deps: Pick<HttpDeps, 'health' | 'version' | 'lag'>): Router {
  const router = Router();
  route(router, '/healthz', {
    get: { handle: (_req, res) => void res.json({ status: 'ok', version: deps.version }) },
  });
  route(router, '/readyz', { get: { handle: readiness(deps) } });
  return router;
}

/** Lag is told and never makes a process unready: sending callers away delivers nothing sooner. */
function readiness({ health, lag }: Pick<HttpDeps, 'health' | 'lag'>): Handler {
  return async (_req, res) => {
    const missing = missingPart(health);
    if (missing !== null) throw missing;
    const checks = { database: true, temporal: true, migrations: true };
    res.json({ status: 'ready', checks, lag: await lag.current().then(summaryOf, () => null) });
  };
}

function summaryOf({ targets, dead, unrouted, parkedSteps }: Lag): z.output<typeof LagSummary> {
  const ages = [unrouted.oldestSeconds, ...targets.map(({ oldestSeconds }) => oldestSeconds)];
  return {
    undelivered: sum(targets.map(({ ready, sending }) => ready + sending)) + unrouted.count,
    oldestUndeliveredSeconds: Math.round(Math.max(...ages)),
    deadLetters: sum(dead.map(({ count }) => count)),
    parkedSteps,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
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
const LagSummary = z.object({
  undelivered: z.int(),
  oldestUndeliveredSeconds: z.int(),
  deadLetters: z.int(),
  parkedSteps: z.int(),
});

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
    responses: answers(
      { 200: z.object({ status: z.literal('ready'), checks: Checks, lag: LagSummary.nullable() }) },
      [503],
    ),
  },
];
