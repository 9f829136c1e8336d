import { Router } from 'express';
import { listParked, readParked, type ParkedStepView } from '../database/parked';
import {
  resolveParked,
  resolveParkedByFilter,
  type ResolvedStep,
  type Verdict,
} from '../database/parked-decisions';
import { heldAttemptOf } from '../domain/parked';
import { NotFoundError, TemporalUnavailableError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { tellDecision, wakeNotification } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { ParkedQuery, ParkedStep, Resolve, ResolvedMany, ResolveMany } from './parked-documents';
import { parameter, route, type Handler } from './routes';
import { pageOf, readUuid, Uuid } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

const LIST_PATH = '/v1/parked';
const ONE_PATH = '/v1/parked/{parkedId}';
const RESOLVE_PATH = '/v1/parked/{parkedId}/resolve';
const RESOLVE_MANY_PATH = '/v1/parked/resolve';

/** Signals that are under way at once: Temporal takes each in some milliseconds, and a request may have hundreds. */
const SIGNALS_AT_ONCE = 10;

/** Steps that wait for an operator, and what operators say about them. */
export function parkedRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, LIST_PATH, { get: { scope: 'operate', handle: withDatabase(list(deps)) } });
  route(router, RESOLVE_MANY_PATH, { post: { scope: 'operate', handle: withDatabase(resolveMany(deps)) } });
  route(router, ONE_PATH, { get: { scope: 'operate', handle: withDatabase(readOne(deps)) } });
  route(router, RESOLVE_PATH, { post: { scope: 'operate', handle: withDatabase(resolveOne(deps)) } });
  return router;
}

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => void res.json(await listParked(pool, checkQuery(ParkedQuery, req)));
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => void res.json(await readKnown(pool, readUuid(parameter(req, 'parkedId'))));
}

/** The row first, then the signal: a repeat of what was stored and not carried out sends the signal again. */
function resolveOne(deps: HttpDeps): Handler {
  return async (req, res) => {
    const said = checkBody(Resolve, await readJsonBody(req));
    const { parkedId, workflowId, step } = await readKnown(deps.pool, readUuid(parameter(req, 'parkedId')));
    if (workflowId !== null && heldAttemptOf(step) === null) assertTemporal(deps.health);
    const resolved = await resolveParked(deps.pool, parkedId, verdictOf(said, callerOf(res)));
    if (resolved === null) throw noSuchStep();
    await tell(deps, resolved);
    res.json(resolved.step);
  };
}

function resolveMany(deps: HttpDeps): Handler {
  return async (req, res) => {
    const { filter, ...said } = checkBody(ResolveMany, await readJsonBody(req));
    assertTemporal(deps.health);
    const result = await resolveParkedByFilter(deps.pool, filter, verdictOf(said, callerOf(res)));
    await tellAll(deps, result.resolved);
    res.json({ ...result, resolved: result.resolved.map(({ step }) => step) });
  };
}

function verdictOf({ decision, reason }: z.output<typeof Resolve>, actor: string): Verdict {
  return { decision, reason: reason ?? null, actor };
}

/** @throws TemporalUnavailableError (retryable) when a signal is not acknowledged; the decisions are stored */
async function tellAll(deps: HttpDeps, resolved: readonly ResolvedStep[]): Promise<void> {
  for (let start = 0; start < resolved.length; start += SIGNALS_AT_ONCE)
    await Promise.all(resolved.slice(start, start + SIGNALS_AT_ONCE).map((one) => tell(deps, one)));
}

async function tell(deps: HttpDeps, { step, attempt }: ResolvedStep): Promise<void> {
  if (attempt !== null) {
    deps.metrics.notificationSettled(attempt.settled);
    return tellNotification(deps, attempt.notification);
  }
  const { parkedId, orderId, workflowId, decision, state } = step;
  if (state === 'RESOLVED' || workflowId === null || orderId === null || decision === null) return;
  await tellDecision(deps, { parkedId, orderId, workflowId, decision, step: step.step });
}

/** What is to be sent now is found by reconciliation when its workflow does not hear of it. */
async function tellNotification(
  deps: HttpDeps,
  notification: Parameters<typeof wakeNotification>[1],
): Promise<void> {
  if (!deps.health.temporal) return;
  try {
    await wakeNotification(deps, notification);
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
  }
}

async function readKnown(pool: HttpDeps['pool'], parkedId: string | null): Promise<ParkedStepView> {
  const step = parkedId === null ? null : await readParked(pool, parkedId);
  if (step === null) throw noSuchStep();
  return step;
}

function noSuchStep(): NotFoundError {
  return new NotFoundError('There is no such parked step.');
}

const params = z.object({ parkedId: Uuid });

export const parkedOperations: Operation[] = [
  {
    method: 'get',
    path: LIST_PATH,
    tags: ['Operations'],
    summary: 'List steps that wait, or waited, for an operator, newest first',
    request: { query: ParkedQuery },
    responses: guardedAnswers({ 200: pageOf(ParkedStep) }, [400]),
  },
  {
    method: 'get',
    path: ONE_PATH,
    tags: ['Operations'],
    summary: 'Read a parked step',
    request: { params },
    responses: guardedAnswers({ 200: ParkedStep }, [404]),
  },
  {
    method: 'post',
    path: RESOLVE_PATH,
    tags: ['Operations'],
    summary: 'Decide about a parked step',
    description:
      'Stored with who said so and why, then told to the workflow that waits. 503 when Temporal did not acknowledge that: the ' +
      'decision stands, and the same request again tells it again. 409 `step_resolved`, with the first `decision`, for any ' +
      'other one; `conflicting_state` for `retry` where nobody waits.',
    request: { params, body: jsonBody(Resolve) },
    responses: guardedAnswers({ 200: ParkedStep }, [...BODY_PROBLEMS, 404, 409]),
  },
  {
    method: 'post',
    path: RESOLVE_MANY_PATH,
    tags: ['Operations'],
    summary: 'Decide about all parked steps that a filter finds',
    description:
      'Oldest first. Repeat it until `remaining` is 0. A filter without a member is refused; `all` means every one.',
    request: { body: jsonBody(ResolveMany) },
    responses: guardedAnswers({ 200: ResolvedMany }, BODY_PROBLEMS),
  },
];
