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

function render(inputTemplate: string, inputPathsMap: Record<string, string> = PATHS): Promise<string> {
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
  ])('%s finds its value', async (path, value) => {
    expect(JSON.parse(await render('<value>', { value: path }))).toEqual(value);
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
  ])('%s that the event does not have is a template error without retry', async (path) => {
    const transformer = compileTransformer({ inputPathsMap: { value: path }, inputTemplate: '<value>' });

    await expect(transformer.render(EVENT, CONTEXT)).rejects.toThrow(TemplateError);
    expect(new TemplateError('')).toMatchObject({ code: 'template_error', retryable: false });
  });

  it('is not read when the template does not use it', async () => {
    expect(await render('fixed', { unused: '$.detail.absent' })).toBe('fixed');
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
  ])('%s', async (template, output) => {
    expect(await render(template)).toBe(output);
  });

  it('escapes a value for the string that it lands in and never reads it as a template', async () => {
    expect(JSON.parse(await render('{"note": "<note>", "plain": <note>}'))).toEqual({
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
  ])('%s', async (template, output) => {
    expect(await render(template)).toBe(output);
  });
});

describe('reserved variables', () => {
  it('hold the event, with and without its detail', async () => {
    const { id, source, time } = EVENT;
    const head = { id, source, 'detail-type': EVENT['detail-type'], time };

    expect(await render('<aws.events.event.json>')).toBe(envelopeText(EVENT));
    expect(JSON.parse(await render('{"text":"<aws.events.event.json>"}'))).toEqual({
      text: envelopeText(EVENT),
    });
    expect(JSON.parse(await render('<aws.events.event>'))).toEqual(head);
  });

  it('hold the time that the bus got the event', async () => {
    const transformer = compileTransformer({ inputTemplate: 'at <aws.events.event.ingestion-time>' });

    expect(await transformer.render(EVENT, CONTEXT)).toBe(`at ${EVENT.time}`);
    expect(await transformer.render(EVENT, { ...CONTEXT, ingestionTime: '2026-08-02T00:00:00.000Z' })).toBe(
      'at 2026-08-02T00:00:00.000Z',
    );
  });

  it('hold the customer, and the sender is told to read it', async () => {
    const transformer = compileTransformer({
      inputTemplate: '{"To":"<aftercommit.customer.phone>","id":<aftercommit.customer.id>}',
    });

    expect(transformer.usesCustomer).toBe(true);
    expect(await transformer.render(EVENT, CONTEXT)).toBe('{"To":"+14155550100","id":"cus_1"}');
    expect(compileTransformer({ inputPathsMap: PATHS, inputTemplate: '<id>' }).usesCustomer).toBe(false);
  });

  it.each([{ customer: null }, {}, { customer: { id: 'cus_1', phone: null } }])(
    'are a template error when the customer is erased: %j',
    async (customer) => {
      const transformer = compileTransformer({ inputTemplate: 'to <aftercommit.customer.phone>' });

      await expect(transformer.render(EVENT, { ruleName: 'confirmed', ...customer })).rejects.toThrow(
        TemplateError,
      );
    },
  );
});

describe('a constant', () => {
  it.each(['{"kind": "order",\n "n": 1e2}', '"text"', 'null', '{"a":"<id>"}'])(
    'is sent byte for byte: %s',
    async (input) => {
      const transformer = compileTransformer({ input });

      expect(await transformer.render(EVENT, CONTEXT)).toBe(input);
      expect(transformer.usesCustomer).toBe(false);
    },
  );
});

describe('a part of the event', () => {
  it.each([
    ['$', envelopeText(EVENT)],
    ['$.detail.lines', '[{"sku":"SKU-1","quantity":2}]'],
    ['$.detail.orderId', '"ord_1"'],
    ['$.detail.coupon', 'null'],
    ["$['detail-type']", '"order.confirmed"'],
  ])('at %s is sent as JSON', async (inputPath, output) => {
    expect(await compileTransformer({ inputPath }).render(EVENT, CONTEXT)).toBe(output);
  });

  it('that is not there, or larger than 256 KB, is a template error', async () => {
    const large = { ...EVENT, detail: { ...EVENT.detail, note: 'x'.repeat(262_143) } };
    const transformer = compileTransformer({ inputPath: '$.detail.note' });

    await expect(
      compileTransformer({ inputPath: '$.detail.nothing' }).render(EVENT, CONTEXT),
    ).rejects.toThrow(TemplateError);
    await expect(transformer.render(large, CONTEXT)).rejects.toThrow(TemplateError);
  });
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
    ['no form', {}, ''],
    ['two forms', { input: '1', inputPath: '$' }, ''],
    ['variables without a template', { inputPathsMap: PATHS }, '/inputTemplate'],
    ['variables of a constant', { inputPathsMap: PATHS, input: '1' }, '/inputPathsMap'],
    ['constant that is no JSON', { input: 'text' }, '/input'],
    ['empty constant', { input: '' }, '/input'],
    ['constant that is an object', { input: {} }, '/input'],
    ['constant of 8 KB and a byte', { input: `"${'x'.repeat(8_191)}"` }, '/input'],
    ['path with a wildcard', { inputPath: '$.detail.*' }, '/inputPath'],
    ['path of another language', { inputPath: 'detail.orderId' }, '/inputPath'],
    ['path that is a list', { inputPath: ['$'] }, '/inputPath'],
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

  it('over 256 KB is a template error', async () => {
    const once = compileTransformer({ inputPathsMap: PATHS, inputTemplate: '<note>!' });
    const twice = compileTransformer({ inputPathsMap: PATHS, inputTemplate: '<note><note>!' });

    expect(await once.render(large, CONTEXT)).toHaveLength(100_001);
    await expect(twice.render(large, CONTEXT)).rejects.toThrow(TemplateError);
  });

  it('is never built up far beyond its limit', async () => {
    const bomb = compileTransformer({
      inputPathsMap: { a: '$.detail.note' },
      inputTemplate: '<a>'.repeat(2_700),
    });

    await expect(bomb.render(large, CONTEXT)).rejects.toThrow(TemplateError);
  });
});

describe('any value', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('"', '\\', '<', '>', 'v', '\n', '\u2028', '\ud800'), maxLength: 20 }),
  );
  const event = (value: unknown): EventEnvelope => ({ ...EVENT, detail: { orderId: 'o', seq: 1, value } });
  const inputPathsMap = { v: '$.detail.value' };

  it('of text in a quoted variable gives JSON that reads back as the text', async () => {
    const transformer = compileTransformer({
      inputPathsMap,
      inputTemplate: '{"a": "<v>", "b": "x<v>\\"<v>y"}',
    });

    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const output = JSON.parse(await transformer.render(event(text), CONTEXT)) as unknown;

        expect(output).toEqual({ a: text, b: `x${text}"${text}y` });
      }),
    );
  });

  it('in an unquoted variable gives JSON that reads back as the value', async () => {
    const transformer = compileTransformer({ inputPathsMap, inputTemplate: '[<v>, {"v": <v>}]' });

    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as unknown;

        expect(JSON.parse(await transformer.render(event(plain), CONTEXT))).toEqual([plain, { v: plain }]);
      }),
    );
  });

  it('of text in a text template arrives unchanged', async () => {
    const transformer = compileTransformer({ inputPathsMap, inputTemplate: 'x <v> y' });

    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        expect(await transformer.render(event(text), CONTEXT)).toBe(`x ${text} y`);
      }),
    );
  });

  it('of a template is accepted as what renders, or refused with a pointer', async () => {
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

    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 12 }), async (pieces) => {
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
        const output = await transformer.render(event('"\\<v>'), CONTEXT);
        if (/^\s*[{["]/.test(inputTemplate)) expect(() => JSON.parse(output) as unknown).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });
});
