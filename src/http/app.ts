import express, { Router, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { MethodNotAllowedError, ShuttingDownError } from '../errors';
import { authenticate } from './authentication';
import { connectionsRouter } from './connections';
import { customersRouter } from './customers';
import { deliveriesRouter } from './deliveries';
import type { HttpDeps } from './deps';
import { docsRouter } from './docs';
import { eventsRouter } from './events';
import type { Health } from './health';
import { inventoryRouter } from './inventory';
import { measureRequests, metricsRouter } from './metrics';
import { notificationsRouter } from './notifications';
import { ordersRouter } from './orders';
import { parkedRouter } from './parked';
import { participantWebhooksRouter } from './participant-webhooks';
import { pausingRouter } from './pausing';
import { paymentsRouter } from './payments';
import { preferencesRouter } from './preferences';
import { problemHandler, unknownRoute } from './problems';
import { limitRequests } from './rate-limit';
import { reconciliationsRouter, reconciliationStyleRouter } from './reconciliations';
import { redrivesRouter } from './redrives';
import { refundsRouter } from './refunds';
import { replaysRouter } from './replays';
import { assignRequestId, logRequests } from './request-log';
import { ruleTrialsRouter } from './rule-trials';
import { rulesRouter } from './rules';
import { salesRouter } from './sales';
import { limitHeaders } from './server';
import { statusRouter } from './status';
import { targetsRouter } from './targets';
import { templateTrialsRouter } from './template-trials';
import { templatesRouter } from './templates';
import { transactionRouter } from './transaction';
import { twilioWebhooksRouter } from './twilio-webhooks';

export type { Access, HttpDeps, RateLimit } from './deps';
export type { ApiKey, Scope } from './authentication';
export type { Health, HealthOptions } from './health';
export { createHealth } from './health';
export { configureServer } from './server';

/**
 * The HTTP face of the product. Run it in a server that went through `configureServer`; start `deps.health` before.
 * It holds no state of its own beside the counters of the rate limit.
 */
export function createApp(deps: HttpDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // X-Forwarded-* of a caller is not believed: nothing here depends on an address.
  app.set('trust proxy', false);
  // Query members are read strictly, by checkQuery.
  app.set('query parser', false);

  app.use(
    assignRequestId,
    logRequests(deps.log),
    measureRequests(deps),
    securityHeaders(),
    limitHeaders,
    refuseTrace,
  );
  app.use(outside(statusRouter(deps), metricsRouter(deps)));
  app.use(refuseWhileDraining(deps.health));
  app.use(outside(docsRouter(deps), reconciliationStyleRouter()));
  // Without a key, and without a caller's limit: whoever is not who it says is refused by the signature.
  app.use(twilioWebhooksRouter(deps), participantWebhooksRouter(deps));
  app.use('/v1', guard(deps));
  app.use(
    ordersRouter(deps),
    transactionRouter(deps),
    paymentsRouter(deps),
    refundsRouter(deps),
    parkedRouter(deps),
    inventoryRouter(deps),
    salesRouter(deps),
    ruleTrialsRouter(),
    rulesRouter(deps),
    targetsRouter(deps),
    pausingRouter(deps),
    connectionsRouter(deps),
    eventsRouter(deps),
    redrivesRouter(deps),
    deliveriesRouter(deps),
    replaysRouter(deps),
    reconciliationsRouter(deps),
    templatesRouter(deps),
    templateTrialsRouter(deps),
    preferencesRouter(deps),
    notificationsRouter(deps),
    customersRouter(deps),
  );
  app.use(unknownRoute);
  app.use(problemHandler(deps.log));
  return app;
}

/** What is not under /v1, where nearly all requests go: those pass it by at once, and not route after route. */
function outside(...routers: readonly Router[]): RequestHandler {
  const rest = Router().use(...routers);
  return (req, res, next) => (req.url.startsWith('/v1/') ? next() : rest(req, res, next));
}

/** Nothing but this origin, no inline script or style. Not upgraded to https: on loopback there is none. */
function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  });
}

const refuseTrace: RequestHandler = (req, res, next) => {
  if (req.method !== 'TRACE') return next();
  res.setHeader('Allow', 'GET, HEAD, POST, PUT, DELETE');
  throw new MethodNotAllowedError('TRACE is not answered.');
};

/** A process that is to end finishes what it accepted and sends everybody else away. */
function refuseWhileDraining(health: Health): RequestHandler {
  return (_req, res, next) => {
    if (!health.draining) return next();
    res.setHeader('Connection', 'close');
    throw new ShuttingDownError('This process is shutting down; repeat the request.');
  };
}

function guard({ access }: HttpDeps): RequestHandler {
  const guards = Router();
  guards.use(authenticate(access.keys));
  if (access.rateLimit !== null) guards.use(limitRequests(access.rateLimit));
  guards.use((_req, res, next) => {
    // Answers belong to one caller and one moment.
    res.setHeader('Cache-Control', 'no-store');
    next();
  });
  return guards;
}
