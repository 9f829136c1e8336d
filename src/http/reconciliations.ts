import { Router, type Request, type Response } from 'express';
import { reconciliationIdOf } from '../database/ids';
import { fingerprintOf } from '../database/installation';
import { requestReconciliation } from '../database/reconciliation';
import {
  listFindings,
  listReconciliations,
  readReconciliation,
  type ReconciliationView,
} from '../database/reconciliation-views';
import { DETECTOR_NAMES } from '../domain/reconciliation';
import { NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { startReconciliation } from './bus-workflows';
import type { HttpDeps } from './deps';
import { idempotencyKeyOf } from './idempotency-key';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { IdempotencyKeyHeader } from './orders';
import { listPage, reportPage, STYLE } from './reconciliation-page';
import { Findings, NewReconciliation, Reconciliation, Report } from './reconciliation-schemas';
import { parameter, route, type Handler } from './routes';
import { pageMembers, pageOf, readUuid, Uuid } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Reconciliations: asked for, listed, read; for programs as JSON and for people as a page. */
export function reconciliationsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/reconciliations', {
    get: { scope: 'operate', handle: withDatabase(list(deps)) },
    post: { scope: 'operate', handle: withDatabase(create(deps)) },
  });
  route(router, '/v1/reconciliations/{reconciliationId}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
  });
  return router;
}

/** A file of its own, because the content security policy allows no inline style. It holds nothing that is anybody's. */
export function reconciliationStyleRouter(): Router {
  const router = Router();
  route(router, '/reconciliations.css', {
    get: { handle: (_req, res) => void res.type('text/css').send(STYLE) },
  });
  return router;
}

/** The row first, then the workflow that reads nothing but its id: a repeat does both again. */
function create(deps: HttpDeps): Handler {
  return async (req, res) => {
    const key = idempotencyKeyOf(req);
    const sent = await readJsonBody(req);
    const { kind, dryRun } = checkBody(NewReconciliation, sent);
    assertTemporal(deps.health);
    const actor = callerOf(res);
    const reconciliationId = reconciliationIdOf(deps.installation.namespace, actor, key);
    const fingerprint = fingerprintOf(deps.installation, 'POST', '/v1/reconciliations', sent);
    const { reconciliation, inserted } = await requestReconciliation(deps.pool, {
      reconciliationId,
      kind,
      dryRun,
      actor,
      fingerprint,
    });
    if (reconciliation.state === 'REQUESTED')
      await startReconciliation(deps, { reconciliationId, kind, dryRun, actor });
    if (!inserted) res.setHeader('Idempotent-Replayed', 'true');
    res.status(202).location(`/v1/reconciliations/${reconciliationId}`).json(reconciliation);
  };
}

const ListQuery = z.strictObject({
  kind: z.enum(['light', 'full', 'rebuild']).optional(),
  ...pageMembers,
});
const ReportQuery = z.strictObject({
  detector: z.enum(DETECTOR_NAMES as [string, ...string[]]).optional(),
  ...pageMembers,
});

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const query = checkQuery(ListQuery, req);
    const page = await listReconciliations(pool, query);
    if (wantsPage(req)) sendPage(res, listPage(page, query.kind));
    else res.json(page);
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const query = checkQuery(ReportQuery, req);
    const detector = DETECTOR_NAMES.find((name) => name === query.detector);
    const reconciliation = await found(pool, readUuid(parameter(req, 'reconciliationId')));
    const { reconciliationId } = reconciliation;
    const { limit, cursor } = query;
    const findings = await listFindings(pool, { reconciliationId, detector, limit, cursor });
    if (wantsPage(req)) sendPage(res, reportPage(reconciliation, findings, { detector, limit }));
    else res.json({ ...reconciliation, findings });
  };
}

async function found(pool: HttpDeps['pool'], reconciliationId: string | null): Promise<ReconciliationView> {
  const reconciliation = reconciliationId === null ? null : await readReconciliation(pool, reconciliationId);
  if (reconciliation === null) throw new NotFoundError('There is no such reconciliation.');
  return reconciliation;
}

/** A browser names HTML first; whoever takes anything gets JSON. */
function wantsPage(req: Request): boolean {
  return req.accepts(['json', 'html']) === 'html';
}

function sendPage(res: Response, html: string): void {
  res.vary('Accept').type('html').send(html);
}

const params = z.object({ reconciliationId: Uuid });

export const reconciliationOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/reconciliations',
    tags: ['Operations'],
    summary: 'List reconciliations, newest first',
    description: 'With `Accept: text/html`, a page for people.',
    request: { query: ListQuery },
    responses: guardedAnswers({ 200: pageOf(Reconciliation) }, [400]),
  },
  {
    method: 'post',
    path: '/v1/reconciliations',
    tags: ['Operations'],
    summary: 'Look for what is wrong, now',
    description:
      'A repeat with the same key and body is answered with the same run, as it stands by then. One run at a time: a second one becomes `REFUSED` and does nothing.',
    request: {
      headers: z.object({ 'Idempotency-Key': IdempotencyKeyHeader }),
      body: jsonBody(NewReconciliation),
    },
    responses: guardedAnswers({ 202: Reconciliation }, BODY_PROBLEMS),
  },
  {
    method: 'get',
    path: '/v1/reconciliations/{reconciliationId}',
    tags: ['Operations'],
    summary: 'Read a report: counts for each detector, and its findings page by page',
    description: 'With `Accept: text/html`, a page for people.',
    request: { params, query: ReportQuery },
    responses: guardedAnswers({ 200: Report.extend({ findings: Findings }) }, [400, 404]),
  },
];
