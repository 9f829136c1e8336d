import {
  listTemplates,
  listTemplateVersions,
  putTemplate,
  readTemplate,
  readTemplateVersion,
} from '../../src/database/templates';
import { CHANNELS } from '../../src/domain/message-status';
import { smsSizeOf } from '../../src/domain/sms-segments';
import { checkTemplate } from '../../src/domain/template-checks';
import { renderContent, TEMPLATE_NAMES, type TemplateDefinition } from '../../src/domain/templates';
import { createTestDatabase, type TestDatabase } from '../support/database';

const FACTS = {
  orderId: '5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21',
  totalMinor: 1_998,
  amountMinor: 500,
  currency: 'EUR',
};

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => database.drop());

async function audited(): Promise<{ actor: string; subject: string; detail: object }[]> {
  const { rows } = await database.pool.query<{ actor: string; subject: string; detail: object }>(
    "select actor, subject, detail from aftercommit.audit where action = 'template.put' order by id",
  );
  return rows;
}

describe('the default set', () => {
  it('has every template in its first version, sound and in canonical form', async () => {
    const templates = await listTemplates(database.pool);

    expect(templates.map(({ name }) => name)).toEqual([...TEMPLATE_NAMES].sort());
    for (const { name, version, actor, definition } of templates) {
      expect({ name, version, actor }).toEqual({ name, version: 1, actor: 'aftercommit' });
      expect(checkTemplate(name, definition)).toEqual(definition);
    }
  });

  it('tells people in English and German on every channel, by SMS in one segment', async () => {
    for (const { name, definition } of await listTemplates(database.pool)) {
      for (const language of ['en', 'de']) {
        for (const channel of CHANNELS) {
          const content = renderContent(definition, { channel, language, facts: FACTS });

          expect([name, channel, content?.language]).toEqual([name, channel, language]);
          expect(content?.contentSid).toBeUndefined();
          if (channel === 'sms') expect(smsSizeOf(content!.body)).toEqual({ encoding: 'GSM-7', segments: 1 });
        }
      }
    }
  });

  it.each([
    ['order.confirmed', 'Order #5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21 confirmed.'],
    [
      'order.payment_failed',
      'Payment for order #5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21 failed. Anything taken goes back to you.',
    ],
    ['order.cancelled', 'Order #5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21 cancelled.'],
    ['order.refunded', 'Order #5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21: EUR 5.00 refunded.'],
  ] as const)('says of %s: %s', async (name, text) => {
    const { definition } = (await readTemplate(database.pool, name, null))!;

    for (const channel of ['sms', 'whatsapp'] as const) {
      expect(renderContent(definition, { channel, language: null, facts: FACTS })?.body).toBe(text);
    }
  });

  it('holds back what is not urgent, and never calls twice in doubt', async () => {
    const templates = await listTemplates(database.pool);

    const urgent = templates.filter(({ definition }) => definition.urgent).map(({ name }) => name);
    expect(urgent).toEqual(['order.confirmed', 'order.payment_failed']);
    for (const { definition } of templates) expect(definition.onAmbiguous.voice).toBe('hold');
  });
});

describe('a changed template', () => {
  const name = 'order.shipped';
  let first: TemplateDefinition;

  beforeAll(async () => {
    first = (await readTemplate(database.pool, name, null))!.definition;
  });

  it('is a new version; the one before stays as it was', async () => {
    const definition = { ...first, urgent: true };

    const put = await putTemplate(database.pool, { name, definition, actor: 'ann' });

    expect(put).toMatchObject({ name, version: 2, definition, actor: 'ann' });
    expect(await readTemplate(database.pool, name, null)).toEqual(put);
    expect(await readTemplateVersion(database.pool, name, 1)).toEqual(first);
    expect(await readTemplateVersion(database.pool, name, 3)).toBeNull();
    expect(await audited()).toEqual([
      { actor: 'ann', subject: name, detail: { version: 2, state: 'ENABLED' } },
    ]);
  });

  it('is no new version when it says the same in another order of members', async () => {
    const { contents, ...rest } = { ...first, urgent: true };

    const again = await putTemplate(database.pool, { name, definition: { contents, ...rest }, actor: 'bob' });

    expect(again).toMatchObject({ version: 2, actor: 'ann' });
    expect(await audited()).toHaveLength(1);
  });

  it('gets a version of its own for each of many writers at once', async () => {
    const changes = Array.from({ length: 8 }, (_, index) => ({ ...first, expiresAfterSeconds: 100 + index }));

    const put = await Promise.all(
      changes.map((definition) => putTemplate(database.pool, { name, definition, actor: 'ann' })),
    );

    expect(put.map(({ version }) => version).sort((a, b) => a - b)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await audited()).toHaveLength(9);
  });

  it('lists its versions page by page, newest first', async () => {
    const page = await listTemplateVersions(database.pool, name, { limit: 4 });
    const next = await listTemplateVersions(database.pool, name, { limit: 100, before: 7 });

    expect(page.map(({ version }) => version)).toEqual([10, 9, 8, 7]);
    expect(next.map(({ version }) => version)).toEqual([6, 5, 4, 3, 2, 1]);
  });
});
