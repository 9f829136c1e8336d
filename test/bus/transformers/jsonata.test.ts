import fc from 'fast-check';
import { compileTransformer, TemplateError } from '../../../src/bus/transformer';
import { envelopeText, type EventEnvelope } from '../../../src/domain/events';
import { InvalidTransformerError } from '../../../src/errors';

const EVENT: EventEnvelope = {
  id: '0198c5d2-0000-7000-8000-000000000001',
  source: 'ecommerce.orders',
  'detail-type': 'order.confirmed',
  time: '2026-08-01T12:00:00.000Z',
  detail: {
    orderId: 'ord_1',
    seq: 1,
    lines: [
      { sku: 'SKU-1', quantity: 2, unitPriceMinor: 999 },
      { sku: 'SKU-2', quantity: 1, unitPriceMinor: 500 },
    ],
  },
};
const CONTEXT = { ruleName: 'confirmed', customer: { id: 'cus_1', phone: '+14155550100' } };

function render(jsonata: string, event: EventEnvelope = EVENT): Promise<string> {
  return compileTransformer({ jsonata }).render(event, CONTEXT);
}

async function failureOf(jsonata: string): Promise<string> {
  const error: unknown = await render(jsonata).catch((thrown: unknown) => thrown);
  if (!(error instanceof TemplateError)) throw new Error(`no template error: ${String(error)}`);
  return error.message;
}

function refusalOf(jsonata: unknown): { pointer: string; message: string } | undefined {
  try {
    compileTransformer({ jsonata } as { jsonata: string });
  } catch (error) {
    if (error instanceof InvalidTransformerError) return error.fields[0];
    throw error;
  }
  return undefined;
}

/** A regular expression takes 2^40 steps here, none of which JSONata counts. */
const BACKTRACKING = `$match("${'a'.repeat(40)}!", /^(a+)+$/)`;
/** 40 levels, whose JSON would have 2^40 members. */
const DOUBLING_OBJECT =
  '( $g := function($o, $n) { $n = 0 ? $o : $g({"a": $o, "b": $o}, $n - 1) }; $g(1, 40) )';

describe('an expression', () => {
  it.each<[string, unknown]>([
    ['detail.orderId', 'ord_1'],
    ['`detail-type`', 'order.confirmed'],
    [
      '{ "order": detail.orderId, "total": $sum(detail.lines.(quantity * unitPriceMinor)) }',
      { order: 'ord_1', total: 2498 },
    ],
    ['detail.lines[quantity > 1].sku', 'SKU-1'],
    ['detail.lines.sku[]', ['SKU-1', 'SKU-2']],
    ['$map(detail.lines, function($line) { $uppercase($line.sku) })', ['SKU-1', 'SKU-2']],
    ['$replace(detail.orderId, /ord_(\\d+)/, "order $1")', 'order 1'],
    ['( $count := function($n) { $n = 0 ? 0 : $count($n - 1) }; $count(1000) )', 0],
    ['null', null],
  ])('%s gives its result as JSON', async (expression, result) => {
    expect(JSON.parse(await render(expression))).toEqual(result);
  });

  it('gives the whole event in the order of its envelope', async () => {
    expect(await render('$')).toBe(envelopeText(EVENT));
  });

  it('knows no other time than that of the event', async () => {
    expect(await render('[$now(), $millis(), $now("[Y0001]-[M01]")]')).toBe(
      '["2026-08-01T12:00:00.000Z",1785585600000,"2026-08"]',
    );
  });

  it('gives the same bytes each time', async () => {
    const expression = '$sort($keys($.detail.lines)).{ $: $now() }';
    const outputs = await Promise.all(Array.from({ length: 20 }, () => render(expression)));

    expect(new Set(outputs).size).toBe(1);
  });

  it('leaves nothing behind for the next one', async () => {
    await render('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    await render('$merge([{"__proto__": {"polluted": 1}}])');
    await render('$ ~> |$|{"__proto__": {"polluted": 1}}|').catch(() => undefined);

    expect(await render('[{"a": {}.polluted}, "x".polluted]')).toBe('[{}]');
    expect(await failureOf('$polluted')).toContain('no value');
  });

  it.each(['customer', '$customer', '`aftercommit.customer.phone`', '$process', '$globalThis', '$require'])(
    'cannot see %s',
    async (expression) => {
      expect(await failureOf(expression)).toContain('no value');
    },
  );

  it.each([
    'detail.constructor',
    '"x".constructor',
    '$string.constructor',
    'detail.lines.toString',
    '$.__proto__',
  ])('does not reach what objects inherit: %s', async (expression) => {
    const output = await render(expression).catch((error: unknown) => error);

    expect(output).toBeInstanceOf(TemplateError);
  });
});

describe('an expression that cannot be used', () => {
  it.each([
    ['a syntax error', 'detail.(', 'at character 8 (S0203)'],
    ['an open string', '"abc', '(S0101)'],
    ['nesting that the parser cannot follow', '('.repeat(8_192), ''],
    ['$eval', '$eval("1")', '$eval is not available at character 5'],
    ['$random', '{"a": [1].$random()}', '$random is not available'],
    ['$shuffle in a chain', 'detail.lines ~> $shuffle', '$shuffle is not available'],
    ['$eval under another name', '( $f := $eval; $f("1") )', '$eval is not available'],
    ['8 KB and a byte', `"${'x'.repeat(8_191)}"`, 'at most 8192'],
    ['no text', 7, 'text'],
    ['an empty text', '', 'not empty'],
  ])('is refused: %s', (_what, expression, message) => {
    const field = refusalOf(expression);

    expect(field?.pointer).toBe('/jsonata');
    expect(field?.message).toContain(message);
  });

  it('is a template error when it gives no value, a function or an error of its own', async () => {
    expect(await failureOf('detail.nothing')).toContain('no value');
    expect(await failureOf('$uppercase')).toContain('function');
    expect(await failureOf('{"a": [function($x) { $x }]}')).toContain('function');
    expect(await failureOf('detail.orderId + 1')).toContain('(T2001)');
    expect(await failureOf('$error("the secret " & detail.orderId)')).not.toContain('secret');
    expect(await failureOf('{"a": 1 / 0}')).toContain('endless number');
  });
});

describe('an expression without an end is stopped', () => {
  it.each([
    ['recursion in a tail call', '( $f := function($n) { $f($n + 1) }; $f(1) )', 'more than 100000 steps'],
    ['recursion that nests', '( $f := function($n) { 1 + $f($n + 1) }; $f(1) )', 'deeper than 500'],
    ['a huge range', '[1..1e9]', 'list of more than 100000'],
    ['a range that is one too long', '[1..100001]', 'list of more than 100000'],
    ['a text that doubles', `( $s := "x"; ${'$s := $s & $s; '.repeat(60)} $s )`, 'more than 96 MB'],
    ['a text that one call fills', '$pad("", 50000000, "ab")', 'more than 96 MB'],
    // By their memory or, on a slow machine, by their time.
    ['a range for each of a range', '[1..90000].[1..90000]', 'for this event'],
    ['an object that doubles', DOUBLING_OBJECT, 'for this event'],
    ['a regular expression that backtracks', BACKTRACKING, 'longer than 2000 ms'],
    ['output over 256 KB', '$pad("", 262144, "a")', 'larger than 262144 bytes'],
  ])('%s', async (_what, expression, reason) => {
    expect(await failureOf(expression)).toContain(reason);
    expect(await render('detail.orderId')).toBe('"ord_1"');
  });

  it('and does not hold up the process meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 10);

    await failureOf(BACKTRACKING);

    clearInterval(timer);
    expect(turns).toBeGreaterThan(50);
  });

  it('but the largest output is sent', async () => {
    expect(await render('$pad("", 262142, "a")')).toHaveLength(262_144);
  });
});

it('any text compiles or is refused with a pointer', () => {
  const piece = fc.constantFrom(
    '$',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '"a"',
    'a',
    '.',
    ':',
    '/',
    '~>',
    '%',
    '^',
    '@',
    '#',
    '*',
    '|',
    ' ',
    '1',
    'function',
    'λ',
    '`',
    '\\',
  );

  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 15 }), (pieces) => {
      const field = refusalOf(pieces.join(''));

      if (field !== undefined) expect(field.pointer).toBe('/jsonata');
    }),
    { numRuns: 3_000 },
  );
});
