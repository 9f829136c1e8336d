import { createRouter, type Rule } from '../../src/bus/route';
import type { EventEnvelope } from '../../src/domain/events';
import { InvalidPatternError } from '../../src/errors';

const EVENT: EventEnvelope = {
  id: 'evt_1',
  source: 'ecommerce.orders',
  'detail-type': 'order.confirmed',
  time: '2026-08-01T12:00:00.000Z',
  detail: { orderId: 'ord_1', seq: 1 },
};

function rule(name: string, changes: Partial<Rule> = {}): Rule {
  return {
    name,
    pattern: { source: ['ecommerce.orders'] },
    state: 'ENABLED',
    targets: [{ target: 'log', transformer: null }],
    ...changes,
  };
}

function namesOf(rules: Rule[]): string[] {
  return createRouter(rules)
    .route(EVENT)
    .map(({ ruleName, targetName }) => `${ruleName} ${targetName}`);
}

describe('routing', () => {
  it('names each target of each rule that matches, with its transformer', () => {
    const transformer = { inputPathsMap: {}, inputTemplate: 'x' };
    const router = createRouter([
      rule('matches', { targets: [{ target: 'log', transformer }] }),
      rule('other', { pattern: { source: ['ecommerce.carts'] } }),
    ]);

    expect(router.route(EVENT)).toEqual([{ ruleName: 'matches', targetName: 'log', transformer }]);
  });

  it('orders by rule name and then by position, however the rules were read', () => {
    const both = [
      { target: 'z', transformer: null },
      { target: 'a', transformer: null },
    ];
    const rules = [rule('b'), rule('Z'), rule('a', { targets: both }), rule('é')];

    expect(namesOf(rules)).toEqual(['Z log', 'a z', 'a a', 'b log', 'é log']);
    expect(namesOf([...rules].reverse())).toEqual(namesOf(rules));
  });

  it('leaves disabled rules out and keeps paused ones, whose deliveries wait', () => {
    const rules = [rule('paused', { state: 'PAUSED' }), rule('disabled', { state: 'DISABLED', pattern: {} })];

    expect(namesOf(rules)).toEqual(['paused log']);
  });

  it('refuses to route around a rule whose pattern is broken', () => {
    const route = (): unknown => createRouter([rule('fine'), rule('broken', { pattern: { source: 'x' } })]);

    expect(route).toThrow(InvalidPatternError);
    expect(route).toThrow(/^Rule broken: /);
  });

  it('leaves the rules that it was given as they were', () => {
    const rules = [rule('b'), rule('a')];

    createRouter(rules);

    expect(rules.map(({ name }) => name)).toEqual(['b', 'a']);
  });
});
