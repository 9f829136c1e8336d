import { createRouter, type Route, type Router, type Rule } from '../bus/route';
import type { Pool } from '../database/pool';
import { listRules, rulesVersion } from '../database/rules';
import type { EventEnvelope } from '../domain/events';

/** The compiled rules, kept until a rule changes. */
export interface RuleBook {
  /** What decides where an event goes, by the rules as they are now. One cheap read when nothing changed. */
  current(): Promise<(event: EventEnvelope) => Route[]>;
  /** The rules as this process knows them, without a read: whoever uses them has their version checked. */
  known(): Promise<CompiledRules>;
}

export interface CompiledRules {
  version: number;
  route: (event: EventEnvelope) => Route[];
}

export function createRuleBook(pool: Pool): RuleBook {
  let compiled: CompiledRules | undefined;
  const read = async (): Promise<CompiledRules> => {
    const version = await rulesVersion(pool);
    if (compiled?.version === version) return compiled;
    // Only what compileTransformer accepted was stored.
    const router = compile((await listRules(pool)) as unknown as readonly Rule[]);
    compiled = { version, route: (event) => router.route(event) };
    return compiled;
  };
  return {
    current: async () => (await read()).route,
    known: async () => compiled ?? read(),
  };
}

/**
 * Routing without a rule that cannot be read would lose its events, so nothing is routed until it is mended. A plain
 * error: Temporal repeats the activity until then.
 */
function compile(rules: readonly Rule[]): Router {
  try {
    return createRouter(rules);
  } catch (error) {
    throw new Error('a stored rule cannot be read by this version', { cause: error });
  }
}
