import { createRouter, type Route, type Router } from '../bus/route';
import type { Pool } from '../database/pool';
import { listRules, rulesVersion } from '../database/rules';
import type { EventEnvelope } from '../domain/events';

/** The compiled rules, kept until a rule changes. */
export interface RuleBook {
  /** What decides where an event goes, by the rules as they are now. One cheap read when nothing changed. */
  current(): Promise<(event: EventEnvelope) => Route[]>;
}

export function createRuleBook(pool: Pool): RuleBook {
  let compiled: { version: number; route: (event: EventEnvelope) => Route[] } | undefined;
  return {
    async current() {
      const version = await rulesVersion(pool);
      if (compiled?.version === version) return compiled.route;
      const router = compile(await listRules(pool));
      compiled = { version, route: (event) => router.route(event) };
      return compiled.route;
    },
  };
}

/**
 * Routing without a rule that cannot be read would lose its events, so nothing is routed until it is mended. A plain
 * error: Temporal repeats the activity until then.
 */
function compile(rules: Parameters<typeof createRouter>[0]): Router {
  try {
    return createRouter(rules);
  } catch (error) {
    throw new Error('a stored rule cannot be read by this version', { cause: error });
  }
}
