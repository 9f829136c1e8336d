import { Router } from 'express';
import { countBacklogs } from '../database/backlog';
import { setRuleState } from '../database/rules';
import { setTargetState } from '../database/targets';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { wakeBacklog } from './bus-workflows';
import type { HttpDeps } from './deps';
import { nameIn, notFound } from './names';
import { guardedAnswers, type Operation } from './operations';
import { route, type Handler } from './routes';
import { Backlog, Name } from './schemas';
import { checkQuery } from './validation';
import { z } from './zod';

/** Rules and targets can be told to wait: what is due for them waits, and goes on in order when they are resumed. */
const PAUSABLE = {
  rule: setRuleState,
  target: setTargetState,
} as const;
type Pausable = keyof typeof PAUSABLE;

export function pausingRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  for (const noun of Object.keys(PAUSABLE) as Pausable[]) {
    route(router, `/v1/${noun}s/{name}/pause`, {
      post: { scope: 'operate', handle: withDatabase(pause(deps, noun)) },
    });
    route(router, `/v1/${noun}s/{name}/resume`, {
      post: { scope: 'operate', handle: withDatabase(resume(deps, noun)) },
    });
  }
  return router;
}

function pause({ pool }: HttpDeps, noun: Pausable): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const name = nameIn(req, noun);
    const row = await PAUSABLE[noun](pool, { name, state: 'PAUSED', actor: callerOf(res) });
    if (row === null) throw notFound(noun);
    res.json({ name, state: row.state, backlog: (await countBacklogs(pool, noun)).get(name) ?? 0 });
  };
}

/** The state first, then the wake-up: a repeat does both again, and reconciliation finds what a lost wake-up left. */
function resume(deps: HttpDeps, noun: Pausable): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const name = nameIn(req, noun);
    assertTemporal(deps.health);
    const row = await PAUSABLE[noun](deps.pool, { name, state: 'ENABLED', actor: callerOf(res) });
    if (row === null) throw notFound(noun);
    await wakeBacklog(deps, { [noun]: name });
    res.json({ name, state: row.state, backlog: (await countBacklogs(deps.pool, noun)).get(name) ?? 0 });
  };
}

const Paused = z
  .object({
    name: Name,
    state: z.enum(['ENABLED', 'PAUSED']),
    backlog: Backlog,
  })
  .openapi('PauseState');

export const pausingOperations: Operation[] = (['rule', 'target'] as const).flatMap((noun) =>
  (['pause', 'resume'] as const).map((command) => ({
    method: 'post' as const,
    path: `/v1/${noun}s/{name}/${command}`,
    tags: ['Event bus'],
    summary:
      command === 'pause'
        ? `Pause a ${noun}: its deliveries wait, and so do those of new events`
        : `Resume a ${noun}: what waited goes on, in order`,
    request: { params: z.object({ name: Name }) },
    responses: guardedAnswers({ 200: Paused }, [404]),
  })),
);
