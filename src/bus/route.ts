import type { EventEnvelope } from '../domain/events';
import { InvalidPatternError } from '../errors';
import { compilePattern } from './pattern';
import { createRuleIndex } from './patterns/rule-index';
import type { TransformerConfig } from './transformer';

/** `PAUSED` matches and its deliveries wait; `DISABLED` matches nothing. Source: the HTTP contract, "Bodies". */
export type RuleState = 'ENABLED' | 'DISABLED' | 'PAUSED';

/** A rule as it is stored. Names are unique. */
export interface Rule {
  name: string;
  /** Parsed JSON. */
  pattern: unknown;
  state: RuleState;
  targets: readonly { target: string; transformer: TransformerConfig | null }[];
}

/** One delivery that an event asks for. The transformer is frozen with the delivery. */
export interface Route {
  ruleName: string;
  targetName: string;
  transformer: TransformerConfig | null;
}

export interface Router {
  /** Every target of every rule that matches: rules by name (code units), a rule's targets in their order. Pure. */
  route(event: EventEnvelope): Route[];
}

/**
 * Compiles rules once, for many events. An index by what each rule requires leaves out the rules that an event cannot match, so
 * that many rules cost little more than few; the rules that remain are asked in full.
 * @throws InvalidPatternError (not retryable) naming the rule when a stored pattern is not valid: routing without it
 *   would silently lose the events that it asks for
 */
export function createRouter(rules: readonly Rule[]): Router {
  const active = rules
    .filter((rule) => rule.state !== 'DISABLED')
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .map((rule) => ({ pattern: compileRulePattern(rule), routes: routesOf(rule) }));
  const index = createRuleIndex(active.map(({ pattern }) => pattern.requirements));
  return {
    route: (event) => {
      const routes: Route[] = [];
      for (const position of index.candidates(event)) {
        const rule = active[position];
        if (rule?.pattern.matches(event) === true) routes.push(...rule.routes);
      }
      return routes;
    },
  };
}

function compileRulePattern(rule: Rule): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(rule.pattern);
  } catch (error) {
    if (!(error instanceof InvalidPatternError)) throw error;
    throw new InvalidPatternError(`Rule ${rule.name}: ${error.message}`, {
      fields: error.fields,
      cause: error,
    });
  }
}

function routesOf(rule: Rule): Route[] {
  return rule.targets.map(({ target, transformer }) => ({
    ruleName: rule.name,
    targetName: target,
    transformer,
  }));
}
