import fc from 'fast-check';
import { compileTransformer, TemplateError, type TransformerConfig } from '../../src/bus/transformer';
import { envelopeText, type EventEnvelope } from '../../src/domain/events';
import { InvalidTransformerError } from '../../src/errors';

const EVENT: EventEnvelope = {
  id: 'evt_1',
  source: 'ecommerce.orders',
  'detail-type': 'order.confirmed',
  time: '2026-08-01T12:00:00.000Z',
  detail: {
    orderId: 'ord_1',
    seq: 1,
    gift: false,
    coupon: null,
    note: 'say "hi" \\ <id>\n',
    lines: [{ sku: 'SKU-1', quantity: 2 }],
  },
};
const PATHS = {
  id: '$.detail.orderId',
  seq: '$.detail.seq',
  gift: '$.detail.gift',
  coupon: '$.detail.coupon',
  note: '$.detail.note',
  lines: '$.detail.lines',
};
const CONTEXT = { ruleName: 'confirmed', customer: { id: 'cus_1', phone: '+14155550100' } };

function render(inputTemplate: string, inputPathsMap: Record<string, string> = PATHS): string {
  return compileTransformer({ inputPathsMap, inputTemplate }).render(EVENT, CONTEXT);
}

function pointerOfRefusal(config: unknown): string | undefined {
  try {
    compileTransformer(config as TransformerConfig);
  } catch (error) {
    if (error instanceof InvalidTransformerError) return error.fields[0]?.pointer;
    throw error;
  }
  return 'accepted';
}

describe('a path', () => {
  it.each<[string, unknown]>([
    ['$', JSON.parse(envelopeText(EVENT))],
    ['$.source', 'ecommerce.orders'],
    ['$.detail-type', 'order.confirmed'],
    ["$['detail-type']", 'order.confirmed'],
    ['$["detail-type"]', 'order.confirmed'],
    ['$.detail.lines[0].sku', 'SKU-1'],
    ["$['detail']['lines'][0]['quantity']", 2],
    ['$.detail.lines[0]', { sku: 'SKU-1', quantity: 2 }],
  ])('%s finds its value', (path, value) => {
    expect(JSON.parse(render('<value>', { value: path }))).toEqual(value);
  });

  it.each([
    '',
    'detail',
    '$detail',
    '$.',
    '$..orderId',
    '$.detail.',
    '$.detail.lines[-1]',
    '$.detail.lines[]',
    '$.detail.lines[*].sku',
    '$.detail.*',
    "$['detail",
    '$.detail.lines[?(@.sku)]',
    '$.detail orderId',
    `$.${'a'.repeat(256)}`,
  ])('%p is refused', (path) => {
    expect(pointerOfRefusal({ inputPathsMap: { value: path }, inputTemplate: 'x' })).toBe(
      '/inputPathsMap/value',
    );
  });

  it.each([
    '$.detail.absent',
    '$.detail.lines[1]',
    '$.detail.lines.length',
    '$.detail.toString',
    '$.source[0]',
  ])('%s that the event does not have is a template error without retry', (path) => {
    const transformer = compileTransformer({ inputPathsMap: { value: path }, inputTemplate: '<value>' });

    expect(() => transformer.render(EVENT, CONTEXT)).toThrow(TemplateError);
    expect(new TemplateError('')).toMatchObject({ code: 'template_error', retryable: false });
  });

  it('is not read when the template does not use it', () => {
    expect(render('fixed', { unused: '$.detail.absent' })).toBe('fixed');
  });
});

describe('a JSON template', () => {
  it.each<[string, string]>([
    ['{"id": <id>, "seq": <seq>}', '{"id":"ord_1","seq":1}'],
    ['{"id": "<id>", "seq": "<seq>"}', '{"id":"ord_1","seq":"1"}'],
    ['{"state": [9, <gift>, <coupon>]}', '{"state":[9,false,null]}'],
    [
      '{"text": "Order #<id> of <lines>"}',
      '{"text":"Order #ord_1 of [{\\"sku\\":\\"SKU-1\\",\\"quantity\\":2}]"}',
    ],
    ['{"lines": <lines>}', '{"lines":[{"sku":"SKU-1","quantity":2}]}'],
    ['"<aws.events.rule-name> triggered"', '"confirmed triggered"'],
    ['"order \\"<id>\\" is in"', '"order \\"ord_1\\" is in"'],
    ['<id>', '"ord_1"'],
    ['{\n  "spaces in": "a  b",\t"c": [ 1 , 2 ]\r\n}', '{"spaces in":"a  b","c":[1,2]}'],
    ['{"a": "\\<id\\> \\\\<id>"}', '{"a":"<id> \\\\ord_1"}'],
    ['{"a": "x", "b": "<id><id>: y"}', '{"a":"x","b":"ord_1ord_1: y"}'],
  ])('%s', (template, output) => {
    expect(render(template)).toBe(output);
  });

  it('escapes a value for the string that it lands in and never reads it as a template', () => {
    expect(JSON.parse(render('{"note": "<note>", "plain": <note>}'))).toEqual({
      note: EVENT.detail['note'],
      plain: EVENT.detail['note'],
    });
  });

  it.each([
    '{"a": <id>',
    '{"a": "<id>}',
    '{<id>: 1}',
    '{"<id>": 1}',
    '{"x<id>y<seq>" : 1}',
    '[<id> <id>]',
    '{"a": -<seq>}',
    '{"a": {{constructor.constructor("x")()}}}',
    '"a" "b"',
  ])('%s is refused: it never becomes JSON', (inputTemplate) => {
    expect(pointerOfRefusal({ inputPathsMap: PATHS, inputTemplate })).toBe('/inputTemplate');
  });
});

describe('a text template', () => {
  it.each<[string, string]>([
    ['Order #<id> confirmed.', 'Order #ord_1 confirmed.'],
    ['<id> is <gift>, <coupon>, <lines>', 'ord_1 is false, null, [{"sku":"SKU-1","quantity":2}]'],
    ['say "<id>"\n  <seq>', 'say "ord_1"\n  1'],
    ['a \\< b \\> c > d \\\\<id> \\n', 'a < b > c > d \\ord_1 \\n'],
    ['<note>!', `${String(EVENT.detail['note'])}!`],
  ])('%s', (template, output) => {
    expect(render(template)).toBe(output);
  });
});

describe('reserved variables', () => {
  it('hold the event, with and without its detail', () => {
    const { id, source, time } = EVENT;
    const head = { id, source, 'detail-type': EVENT['detail-type'], time };

    expect(render('<aws.events.event.json>')).toBe(envelopeText(EVENT));
    expect(JSON.parse(render('{"text":"<aws.events.event.json>"}'))).toEqual({ text: envelopeText(EVENT) });
    expect(JSON.parse(render('<aws.events.event>'))).toEqual(head);
  });

  it('hold the time that the bus got the event', () => {
    const transformer = compileTransformer({ inputTemplate: 'at <aws.events.event.ingestion-time>' });

    expect(transformer.render(EVENT, CONTEXT)).toBe(`at ${EVENT.time}`);
    expect(transformer.render(EVENT, { ...CONTEXT, ingestionTime: '2026-08-02T00:00:00.000Z' })).toBe(
      'at 2026-08-02T00:00:00.000Z',
    );
  });

  it('hold the customer, and the sender is told to read it', () => {
    const transformer = compileTransformer({
      inputTemplate: '{"To":"<aftercommit.customer.phone>","id":<aftercommit.customer.id>}',
    });

    expect(transformer.usesCustomer).toBe(true);
    expect(transformer.render(EVENT, CONTEXT)).toBe('{"To":"+14155550100","id":"cus_1"}');
    expect(compileTransformer({ inputPathsMap: PATHS, inputTemplate: '<id>' }).usesCustomer).toBe(false);
  });

  it.each([{ customer: null }, {}, { customer: { id: 'cus_1', phone: null } }])(
    'are a template error when the customer is erased: %j',
    (customer) => {
      const transformer = compileTransformer({ inputTemplate: 'to <aftercommit.customer.phone>' });

      expect(() => transformer.render(EVENT, { ruleName: 'confirmed', ...customer })).toThrow(TemplateError);
    },
  );
});

describe('a transformer that is refused', () => {
  const paths = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`v${index}`, '$.id']));

  it.each<[string, unknown, string]>([
    ['undefined variable', { inputPathsMap: {}, inputTemplate: '<phone>' }, '/inputTemplate'],
    ['inherited variable', { inputPathsMap: {}, inputTemplate: '<toString>' }, '/inputTemplate'],
    ['unclosed <', { inputTemplate: 'a < b' }, '/inputTemplate'],
    ['unclosed < before another', { inputPathsMap: PATHS, inputTemplate: 'a < b <id>' }, '/inputTemplate'],
    ['empty variable', { inputTemplate: 'a <> b' }, '/inputTemplate'],
    ['rule ARN', { inputTemplate: '<aws.events.rule-arn>' }, '/inputTemplate'],
    ['unknown reserved variable', { inputTemplate: '<aftercommit.customer.email>' }, '/inputTemplate'],
    ['empty template', { inputTemplate: '' }, '/inputTemplate'],
    ['no template', {}, '/inputTemplate'],
    ['template of 8 KB and a byte', { inputTemplate: 'x'.repeat(8_193) }, '/inputTemplate'],
    ['too many paths', { inputPathsMap: paths(101), inputTemplate: 'x' }, '/inputPathsMap'],
    ['paths in a list', { inputPathsMap: [], inputTemplate: 'x' }, '/inputPathsMap'],
    ['path that is no text', { inputPathsMap: { a: 1 }, inputTemplate: 'x' }, '/inputPathsMap/a'],
    ['name with a space', { inputPathsMap: { 'a b': '$.id' }, inputTemplate: 'x' }, '/inputPathsMap/a b'],
    ['reserved name', { inputPathsMap: { AWSname: '$.id' }, inputTemplate: 'x' }, '/inputPathsMap/AWSname'],
  ])('%s', (_situation, config, pointer) => {
    expect(pointerOfRefusal(config)).toBe(pointer);
  });

  it('but the largest template and map are accepted', () => {
    expect(pointerOfRefusal({ inputPathsMap: paths(100), inputTemplate: 'x'.repeat(8_192) })).toBe(
      'accepted',
    );
  });
});

describe('output', () => {
  const large = { ...EVENT, detail: { ...EVENT.detail, note: 'é'.repeat(100_000) } };

  it('over 256 KB is a template error', () => {
    const once = compileTransformer({ inputPathsMap: PATHS, inputTemplate: '<note>!' });
    const twice = compileTransformer({ inputPathsMap: PATHS, inputTemplate: '<note><note>!' });

    expect(once.render(large, CONTEXT)).toHaveLength(100_001);
    expect(() => twice.render(large, CONTEXT)).toThrow(TemplateError);
  });

  it('is never built up far beyond its limit', () => {
    const bomb = compileTransformer({
      inputPathsMap: { a: '$.detail.note' },
      inputTemplate: '<a>'.repeat(2_700),
    });

    expect(() => bomb.render(large, CONTEXT)).toThrow(TemplateError);
  });
});

describe('any value', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('"', '\\', '<', '>', 'v', '\n', '\u2028', '\ud800'), maxLength: 20 }),
  );
  const event = (value: unknown): EventEnvelope => ({ ...EVENT, detail: { orderId: 'o', seq: 1, value } });
  const inputPathsMap = { v: '$.detail.value' };

  it('of text in a quoted variable gives JSON that reads back as the text', () => {
    const transformer = compileTransformer({
      inputPathsMap,
      inputTemplate: '{"a": "<v>", "b": "x<v>\\"<v>y"}',
    });

    fc.assert(
      fc.property(anyText, (text) => {
        const output = JSON.parse(transformer.render(event(text), CONTEXT)) as unknown;

        expect(output).toEqual({ a: text, b: `x${text}"${text}y` });
      }),
    );
  });

  it('in an unquoted variable gives JSON that reads back as the value', () => {
    const transformer = compileTransformer({ inputPathsMap, inputTemplate: '[<v>, {"v": <v>}]' });

    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as unknown;

        expect(JSON.parse(transformer.render(event(plain), CONTEXT))).toEqual([plain, { v: plain }]);
      }),
    );
  });

  it('of text in a text template arrives unchanged', () => {
    const transformer = compileTransformer({ inputPathsMap, inputTemplate: 'x <v> y' });

    fc.assert(
      fc.property(anyText, (text) => {
        expect(transformer.render(event(text), CONTEXT)).toBe(`x ${text} y`);
      }),
    );
  });

  it('of a template is accepted as what renders, or refused with a pointer', () => {
    const piece = fc.constantFrom(
      '<v>',
      '<',
      '>',
      '"',
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '\\',
      ' ',
      'a',
      '1',
      'null',
    );

    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), (pieces) => {
        const inputTemplate = pieces.join('');
        let transformer: ReturnType<typeof compileTransformer>;
        try {
          transformer = compileTransformer({ inputPathsMap, inputTemplate });
        } catch (error) {
          expect(error).toMatchObject({
            code: 'invalid_transformer',
            fields: [{ pointer: '/inputTemplate' }],
          });
          return;
        }
        const output = transformer.render(event('"\\<v>'), CONTEXT);
        if (/^\s*[{["]/.test(inputTemplate)) expect(() => JSON.parse(output) as unknown).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });
});
