import fc from 'fast-check';
import { compilePattern } from '../../src/bus/pattern';
import { createRuleIndex } from '../../src/bus/patterns/rule-index';
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

describe('the index of rules', () => {
  const scalar = fc.constantFrom<unknown>('a', 'b', 'ab', '', 0, 1, -0, true, null);
  const key = fc.constantFrom('a', 'b', '__proto__', 'toString');
  const operator = fc.constantFrom<unknown>(
    { exists: false },
    { exists: true },
    { prefix: 'a' },
    { wildcard: 'a*b' },
    { exactly: 'b' },
    { numeric: ['<', 1] },
  );
  const list = fc.array(fc.oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: operator }), {
    minLength: 1,
    maxLength: 2,
  });
  const { pattern } = fc.letrec<{ pattern: Record<string, unknown>; branches: unknown }>((tie) => ({
    pattern: fc.oneof(
      { depthSize: 'small' },
      fc.dictionary(key, list, { minKeys: 1, maxKeys: 2 }),
      fc.dictionary(key, tie('pattern'), { minKeys: 1, maxKeys: 2 }),
      fc.record({ a: list, $or: tie('branches') }),
    ),
    branches: fc.array(tie('pattern'), { minLength: 2, maxLength: 2 }),
  }));
  const { event } = fc.letrec<{ event: unknown; value: unknown }>((tie) => ({
    event: fc.dictionary(key, tie('value'), { maxKeys: 3 }),
    value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 2 }), tie('event')),
  }));

  it('finds what asking every rule finds', () => {
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 12 }), fc.array(event), (patterns, events) => {
        const accepted = patterns.filter(isAccepted);
        const rules = accepted.map((one, index) =>
          rule(`rule-${String(index).padStart(2, '0')}`, { pattern: one }),
        );
        const router = createRouter(rules);

        for (const one of events as EventEnvelope[]) {
          const expected = rules.filter((each) => compilePattern(each.pattern).matches(one));
          expect(router.route(one).map(({ ruleName }) => ruleName)).toEqual(expected.map(({ name }) => name));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  function isAccepted(candidate: unknown): boolean {
    try {
      compilePattern(candidate);
      return true;
    } catch (error) {
      if (error instanceof InvalidPatternError) return false;
      throw error;
    }
  }

  it('asks few of many rules', () => {
    const entries = Array.from({ length: 1_000 }, (_, position) =>
      compilePattern({
        source: ['ecommerce.orders'],
        detail: { orderId: [`ord_${position}`], seq: [{ exists: true }] },
      }),
    );

    const index = createRuleIndex(entries.map(({ requirements }) => requirements));

    expect(index.candidates({ ...EVENT, detail: { orderId: 'ord_7', seq: 1 } })).toEqual([7]);
    expect(index.candidates({ ...EVENT, detail: { seq: 1 } })).toEqual([]);
  });

  it('looks prefixes up, also those of wildcards, and long ones by how they begin', () => {
    const long = 'p'.repeat(100);
    const patterns = [
      { a: [{ prefix: 'or' }] },
      { a: [{ wildcard: 'ord*x' }] },
      { a: [{ prefix: long }] },
      { a: ['o'] },
    ];
    const index = createRuleIndex(patterns.map((one) => compilePattern(one).requirements));
    const candidates = (value: unknown): readonly number[] => index.candidates({ a: value });

    expect(['order', 'o', 'x', 5].map(candidates)).toEqual([[0, 1], [3], [], []]);
    expect(candidates(['x', `${long}q`])).toEqual([2]);
  });

  it('always asks a rule that absence meets', () => {
    const entries = [
      { a: [{ suffix: 'x' }] },
      { a: ['x'] },
      { $or: [{ b: ['x'] }, { a: [{ exists: false }] }] },
    ].map((one) => compilePattern(one).requirements);

    expect(createRuleIndex(entries).candidates({ a: 'other' })).toEqual([2]);
    expect(createRuleIndex(entries).candidates({ a: ['other', 'x'] })).toEqual([0, 1, 2]);
  });
});
