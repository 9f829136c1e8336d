import { Router, type RequestHandler } from 'express';
import { authenticate } from './authentication';
import type { HttpDeps } from './deps';
import { answers, type Operation } from './operations';
import { route } from './routes';
import { z } from './zod';

/** Figures for Prometheus. They name targets, so that whoever reads them needs a key where there are keys. */
export function metricsRouter({ access, metrics }: Pick<HttpDeps, 'access' | 'metrics'>): Router {
  const router = Router();
  router.use('/metrics', authenticate(access.keys));
  route(router, '/metrics', {
    get: {
      scope: 'operate',
      handle: async (_req, res) => void res.type(metrics.contentType).send(await metrics.text()),
    },
  });
  return router;
}

/** Counts every answer by its route, never by its path, which holds ids. */
export function measureRequests({ metrics }: Pick<HttpDeps, 'metrics'>): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    res.once('finish', () => {
      const route = (res.locals['route'] as string | undefined) ?? 'none';
      const durationMs = performance.now() - startedAt;
      metrics.httpRequest({ method: req.method, route, status: res.statusCode, durationMs });
    });
    next();
  };
}

export const metricsOperations: Operation[] = [
  {
    method: 'get',
    path: '/metrics',
    tags: ['Service'],
    summary: "Figures in Prometheus's text format",
    responses: {
      ...answers({}, [401, 403]),
      200: { description: 'As asked', content: { 'text/plain': { schema: z.string() } } },
    },
  },
];
