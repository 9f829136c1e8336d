import fc from 'fast-check';
import { refusalOfLength } from '../../src/channels/content-checks';
import { spokenLanguage } from '../../src/domain/spoken-language';
import { spokenTwice, TWIML_CHARACTERS_MAX } from '../../src/channels/twiml';
import { checkTemplate } from '../../src/domain/template-checks';
import {
  renderContent,
  type MessageFacts,
  type TemplateContent,
  type TemplateDefinition,
  type TemplateName,
} from '../../src/domain/templates';
import { InvalidTemplateError } from '../../src/errors';

const SMS: TemplateContent = { language: 'en', channel: 'sms', body: 'Order #<orderId> confirmed.' };
const CONTENT_SID = `HX${'0a'.repeat(16)}`;
const FACTS: MessageFacts = { orderId: 'ord_1', totalMinor: 5990, amountMinor: 500, currency: 'EUR' };

function definitionOf(changes: Partial<TemplateDefinition> = {}): TemplateDefinition {
  return {
    state: 'ENABLED',
    urgent: false,
    expiresAfterSeconds: 86_400,
    onAmbiguous: { sms: 'resend', whatsapp: 'resend', voice: 'hold' },
    defaultLanguage: 'en',
    contents: [SMS],
    ...changes,
  };
}

function refusals(definition: TemplateDefinition, name: TemplateName = 'order.confirmed'): string[] {
  try {
    checkTemplate(name, definition);
  } catch (error) {
    if (!(error instanceof InvalidTemplateError)) throw error;
    return error.fields.map(({ pointer }) => pointer);
  }
  return [];
}

/** With one content besides a sound one. */
function refusalsOf(content: Partial<TemplateContent>, name?: TemplateName): string[] {
  return refusals(definitionOf({ contents: [SMS, { ...SMS, language: 'de', ...content }] }), name);
}

describe('what a person is told', () => {
  const definition = definitionOf({
    contents: [
      SMS,
      { ...SMS, language: 'de', body: 'Bestellung #<orderId>: <total>.' },
      { ...SMS, language: 'zh-Hant', body: '訂單 #<orderId>' },
      { ...SMS, language: 'de', channel: 'voice', body: 'Guten Tag.' },
      {
        ...SMS,
        channel: 'whatsapp',
        contentSid: CONTENT_SID,
        contentVariables: { 1: '<orderId>' },
      },
    ],
  });

  it.each([
    ['de', 'Bestellung #ord_1: EUR 59.90.'],
    ['de-AT', 'Bestellung #ord_1: EUR 59.90.'],
    ['zh-Hant-TW', '訂單 #ord_1'],
    ['zh-CN', 'Order #ord_1 confirmed.'],
    ['fr', 'Order #ord_1 confirmed.'],
    [null, 'Order #ord_1 confirmed.'],
  ])('is in the language %s, in a wider form of it or in the default one', (language, body) => {
    expect(renderContent(definition, { channel: 'sms', language, facts: FACTS })?.body).toBe(body);
  });

  it('is nothing on a channel without words in that language or the default one', () => {
    expect(renderContent(definition, { channel: 'voice', language: 'fr', facts: FACTS })).toBeNull();
    expect(renderContent(definition, { channel: 'voice', language: 'de-CH', facts: FACTS })).toEqual({
      body: 'Guten Tag.',
      language: 'de',
    });
  });

  it('fills in the variables of an approved template too', () => {
    expect(renderContent(definition, { channel: 'whatsapp', language: null, facts: FACTS })).toEqual({
      body: 'Order #ord_1 confirmed.',
      language: 'en',
      contentSid: CONTENT_SID,
      contentVariables: { 1: 'ord_1' },
    });
  });

  it('takes values as text, and escaped characters as themselves', () => {
    const contents = [{ ...SMS, body: String.raw`a \<b\> \\ <orderId>` }];
    const facts = { ...FACTS, orderId: String.raw`<total>\<` };

    const rendered = renderContent(definitionOf({ contents }), { channel: 'sms', language: null, facts });

    expect(rendered?.body).toBe(String.raw`a <b> \ <total>\<`);
  });

  it('is a bug without the facts that it names', () => {
    const render = (): unknown =>
      renderContent(definition, { channel: 'sms', language: 'de', facts: { orderId: 'ord_1' } });

    expect(render).toThrow(RangeError);
  });
});

describe('a template', () => {
  it('keeps its languages in canonical form', () => {
    const checked = checkTemplate(
      'order.confirmed',
      definitionOf({
        defaultLanguage: 'DE-at',
        contents: [
          { ...SMS, language: 'de-AT' },
          { ...SMS, language: 'EN' },
        ],
      }),
    );

    expect(checked.defaultLanguage).toBe('de-AT');
    expect(checked.contents.map(({ language }) => language)).toEqual(['de-AT', 'en']);
  });

  it.each<[string, Partial<TemplateDefinition>, string]>([
    ['no content', { contents: [] }, '/contents'],
    ['101 contents', { contents: Array.from({ length: 101 }, () => SMS) }, '/contents'],
    ['no content in its default language', { defaultLanguage: 'de' }, '/defaultLanguage'],
    ['a default language that is none', { defaultLanguage: 'deutsch!' }, '/defaultLanguage'],
    ['an end before a minute', { expiresAfterSeconds: 59 }, '/expiresAfterSeconds'],
    ['an end after a week', { expiresAfterSeconds: 604_801 }, '/expiresAfterSeconds'],
    ['an end in fractions', { expiresAfterSeconds: 60.5 }, '/expiresAfterSeconds'],
    ['the same place twice', { contents: [SMS, { ...SMS, language: 'EN' }] }, '/contents/1/language'],
  ])('is refused with %s', (_what, changes, pointer) => {
    expect(refusals(definitionOf(changes))).toContain(pointer);
  });

  it.each<[string, Partial<TemplateContent>, string]>([
    ['a variable that nobody knows', { body: '<phone>' }, '/body'],
    ['an inherited name as a variable', { body: '<constructor>' }, '/body'],
    ['a variable of another event', { body: '<amount>' }, '/body'],
    ['an empty variable', { body: '<>' }, '/body'],
    ['a variable that is not closed', { body: 'to <orderId' }, '/body'],
    ['a variable within another', { body: '<order<Id>' }, '/body'],
    ['no text', { body: '' }, '/body'],
    ['white space only', { body: ' \n\u00a0\u200b' }, '/body'],
    ['control characters only', { body: '\u0001\u0002' }, '/body'],
    ['a control character', { body: 'a\u0007b' }, '/body'],
    ['a tab', { body: 'a\tb' }, '/body'],
    ['half of a character', { body: 'a\ud800' }, '/body'],
    ['1,601 characters', { body: 'x'.repeat(1_601) }, '/body'],
    ['1,601 characters once rendered', { body: `<orderId>${'x'.repeat(1_565)}` }, '/body'],
    ['1,601 characters with the longest sum', { body: `<total>${'x'.repeat(1_580)}` }, '/body'],
    ['1,601 characters on WhatsApp', { channel: 'whatsapp', body: 'x'.repeat(1_601) }, '/body'],
    ['1,001 spoken characters', { channel: 'voice', body: 'x'.repeat(1_001) }, '/body'],
    ['201 spoken ampersands', { channel: 'voice', body: '&'.repeat(201) }, '/body'],
    ['a language that is none', { language: 'de_AT' }, '/language'],
    ['a language of no letters', { language: '\u0000' }, '/language'],
    ['an approved template of SMS', { contentSid: CONTENT_SID }, '/contentSid'],
    ['another sid', { channel: 'whatsapp', contentSid: `MG${'0a'.repeat(16)}` }, '/contentSid'],
    ['a short sid', { channel: 'whatsapp', contentSid: CONTENT_SID.slice(1) }, '/contentSid'],
    ['variables of no approved template', { contentVariables: { 1: 'a' } }, '/contentVariables'],
  ])('is refused with %s in a content', (_what, content, pointer) => {
    expect(refusalsOf(content)).toEqual([`/contents/1${pointer}`]);
  });

  it.each<[string, Record<string, string>, string]>([
    ['a gap', { 1: 'Order', 3: '<orderId>' }, ''],
    ['a name', { 1: 'Order', order: '<orderId>' }, ''],
    ['a zero', { 0: '<orderId>' }, ''],
    ['a leading zero', { '01': '<orderId>' }, ''],
    ['an unknown variable', { 1: '<phone>' }, '/1'],
    ['an empty value', { 1: '' }, '/1'],
    ['a blank value', { 1: ' ' }, '/1'],
    ['a line break', { 1: 'a\nb' }, '/1'],
    ['a tab', { 1: 'a\tb' }, '/1'],
    ['five spaces in a row', { 1: 'a     b' }, '/1'],
    ['a value that the approved text lacks', { 1: '<total>' }, '/1'],
  ])('is refused with %s in the variables of WhatsApp', (_what, contentVariables, pointer) => {
    const body = 'Order #<orderId> a\nb a\tb a     b'.replace('a\tb', 'a b');
    const refused = refusalsOf({ channel: 'whatsapp', contentSid: CONTENT_SID, body, contentVariables });

    expect(refused).toEqual([`/contents/1/contentVariables${pointer}`]);
  });

  it.each<[string, Partial<TemplateContent>]>([
    ['1,600 characters', { body: 'x'.repeat(1_600) }],
    ['1,600 characters of two units', { body: '😀'.repeat(1_600) }],
    ['1,600 characters with the longest id', { body: `<orderId>${'x'.repeat(1_564)}` }],
    ['1,600 characters with the longest sum', { body: `<total>${'x'.repeat(1_579)}` }],
    ['1,000 spoken characters', { channel: 'voice', body: 'x'.repeat(1_000) }],
    ['line feeds', { body: 'a\nb' }],
    ['a variable of its event', { body: '<total>' }],
    ['no variables for an approved template', { channel: 'whatsapp', contentSid: CONTENT_SID }],
    [
      'numbered variables',
      { channel: 'whatsapp', contentSid: CONTENT_SID, contentVariables: { 1: 'Order', 2: '<orderId>' } },
    ],
  ])('is taken with %s', (_what, content) => {
    expect(refusalsOf(content)).toEqual([]);
  });

  it('names amounts only where the event has them', () => {
    expect(refusalsOf({ body: '<amount>' }, 'order.refunded')).toEqual([]);
    expect(refusalsOf({ body: '<total>' }, 'order.refunded')).toEqual(['/contents/1/body']);
    expect(refusalsOf({ body: '<total>' }, 'order.shipped')).toEqual(['/contents/1/body']);
  });

  it('that is taken is taken by the channels too, whatever the event says', () => {
    const anyBody = fc
      .array(
        fc.constantFrom(
          '<orderId>',
          '<total>',
          'x',
          '&',
          '"',
          '😀',
          'ä',
          '€',
          '\\<',
          ' ',
          'word '.repeat(40),
        ),
        {
          minLength: 1,
          maxLength: 60,
        },
      )
      .map((parts) => parts.join(''));
    let taken = 0;

    fc.assert(
      fc.property(
        anyBody,
        fc.constantFrom('sms' as const, 'voice' as const),
        fc.nat(),
        (body, channel, totalMinor) => {
          const definition = definitionOf({ contents: [{ language: 'en', channel, body }] });
          if (refusals(definition).length > 0) return;
          taken += 1;

          const facts = { orderId: '5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21', totalMinor, currency: 'KWD' };
          const text = renderContent(definition, { channel, language: null, facts })!.body;

          expect(text.trim()).not.toBe('');
          if (channel === 'sms') expect(refusalOfLength(text)).toBeNull();
          else {
            const twiml = spokenTwice({ text, language: spokenLanguage('en')! });
            expect(twiml.length).toBeLessThanOrEqual(TWIML_CHARACTERS_MAX);
          }
        },
      ),
    );
    expect(taken).toBeGreaterThan(20);
  });
});
