import type { Logger } from '../../../src/log';
import {
  createTarget,
  TARGET_KINDS,
  validateTargetConfig,
  verifyTargetConfig,
} from '../../../src/bus/targets';
import type { OpenTargetDeps } from '../../../src/bus/targets/kind';
import { InvalidTargetError, type FieldError } from '../../../src/errors';
import { CONTRACT_EVENT, CONTRACT_REQUEST } from '../../contract/target';

const PUBLIC_ONLY = { allowPrivate: false };
const URL = 'https://hooks.example.com/a';

function fieldsOfRefusal(kind: string, config: unknown): FieldError[] {
  try {
    validateTargetConfig(kind, config, PUBLIC_ONLY);
  } catch (error) {
    if (error instanceof InvalidTargetError) return error.fields;
    throw error;
  }
  return [];
}

function pointersOfRefusal(kind: string, config: unknown): string[] {
  return fieldsOfRefusal(kind, config).map(({ pointer }) => pointer);
}

describe('the settings of an http target', () => {
  it('get their defaults', () => {
    expect(validateTargetConfig('http', { url: 'https://Hooks.example.com/a' }, PUBLIC_ONLY)).toEqual({
      url: URL,
      method: 'POST',
      headers: {},
      encoding: 'json',
      timeoutMs: 5_000,
    });
  });

  it('are the same when they are checked again', () => {
    const settings = { url: URL, method: 'PATCH', headers: { 'X-A': 'b' }, encoding: 'form', timeoutMs: 100 };

    const once = validateTargetConfig('http', settings, PUBLIC_ONLY);

    expect(once).toEqual({ ...settings, headers: { 'x-a': 'b' } });
    expect(validateTargetConfig('http', once, PUBLIC_ONLY)).toEqual(once);
  });

  it.each<[string, unknown, string[]]>([
    ['no object', null, ['', '/url']],
    ['no URL', {}, ['/url']],
    [
      'every mistake at once',
      { url: 'http://x', method: 'GET', timeoutMs: 1, a: 1 },
      ['/a', '/url', '/method', '/timeoutMs'],
    ],
    ['timeout of 99 ms', { url: URL, timeoutMs: 99 }, ['/timeoutMs']],
    ['timeout of 30,001 ms', { url: URL, timeoutMs: 30_001 }, ['/timeoutMs']],
    ['timeout as text', { url: URL, timeoutMs: '5000' }, ['/timeoutMs']],
    ['unknown encoding', { url: URL, encoding: 'xml' }, ['/encoding']],
    ['inherited member', JSON.parse(`{"url":"${URL}","__proto__":{"method":"PUT"}}`), ['/__proto__']],
    ['batches', { url: URL, batch: { maximumEvents: 2 } }, ['/batch/maximumEvents']],
    ['headers as a list', { url: URL, headers: [] }, ['/headers']],
    ['too many headers', { url: URL, headers: headersOf(51) }, ['/headers']],
    [
      'headers that are too long',
      { url: URL, headers: { a: 'x'.repeat(4_000), b: 'x'.repeat(3_000) } },
      ['/headers'],
    ],
    [
      'content type of a form',
      { url: URL, encoding: 'form', headers: { 'Content-Type': 'a/b' } },
      ['/headers/content-type'],
    ],
    ['header named twice', { url: URL, headers: { 'X-A': 'a', 'x-a': 'b' } }, ['/headers/x-a']],
  ])('are refused: %s', (_situation, config, pointers) => {
    expect(pointersOfRefusal('http', config)).toEqual(pointers);
  });

  function headersOf(count: number): Record<string, string> {
    return Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'v']));
  }

  it.each([
    ['Host', 'evil.example'],
    ['content-length', '0'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'close'],
    ['Authorization', 'Bearer x'],
    ['Cookie', 'a=b'],
    ['Webhook-Id', 'x'],
    ['Idempotency-Key', 'x'],
    ['x-aftercommit-delivery-id', 'x'],
    ['x a', 'v'],
    ['', 'v'],
    ['x-a', 'a\r\nx-b: c'],
    ['x-a', 'a\u0000'],
    ['x-a', 'é'],
    ['x-a', ''],
    ['x-a', 'x'.repeat(4_097)],
    ['x-a', 1],
  ])('are refused: header %j with the value %j', (name, value) => {
    expect(pointersOfRefusal('http', { url: URL, headers: { [name]: value } })).toEqual([`/headers/${name}`]);
  });

  it('are refused when the name points to a private address now', async () => {
    const config = validateTargetConfig('http', { url: URL }, PUBLIC_ONLY);

    const check = verifyTargetConfig('http', config, PUBLIC_ONLY, (_name, _options, callback) =>
      callback(null, [{ address: '10.0.0.1', family: 4 }]),
    );

    await expect(check).rejects.toMatchObject({ fields: [{ pointer: '/url' }] });
  });
});

/** What a log target needs is its logger; nothing here is asked for. */
function openDeps(logger: Logger): OpenTargetDeps {
  return {
    ...PUBLIC_ONLY,
    logger,
    connection: null,
    signature: null,
    brokers: { kafka: [], rocketmq: null, nats: [], amqp: null },
    pool: undefined as never,
    temporal: () => {
      throw new Error('no client is needed');
    },
  };
}

describe('a log target', () => {
  function openLog(): { lines: object[]; target: ReturnType<typeof createTarget> } {
    const lines: object[] = [];
    const logger = { info: (line: object) => lines.push(line) } as unknown as Logger;
    return { lines, target: createTarget('log', {}, openDeps(logger)) };
  }

  it('writes one line per event, with the event as it is', async () => {
    const { lines, target } = openLog();

    const outcome = await target.send(CONTRACT_REQUEST);
    await target.close();

    expect(outcome).toEqual({ kind: 'delivered', status: null, latencyMs: 0 });
    expect(lines).toEqual([
      {
        eventId: CONTRACT_EVENT.id,
        eventType: 'order.confirmed',
        rule: 'order-confirmed',
        deliveryId: CONTRACT_REQUEST.deliveryId,
        payload: CONTRACT_REQUEST.payload,
      },
    ]);
  });

  it('does not write what a transformer made, which may hold a phone number', async () => {
    const { lines, target } = openLog();

    await target.send({ ...CONTRACT_REQUEST, payload: '{"To":"+14155550100"}' });

    expect(lines).toEqual([expect.objectContaining({ eventId: CONTRACT_EVENT.id, payloadBytes: 21 })]);
    expect(JSON.stringify(lines)).not.toContain('4155550100');
  });

  it('has no settings', async () => {
    expect(validateTargetConfig('log', {}, PUBLIC_ONLY)).toEqual({});
    expect(pointersOfRefusal('log', { url: URL })).toEqual(['/url']);
    await expect(verifyTargetConfig('log', {}, PUBLIC_ONLY)).resolves.toBeUndefined();
  });
});

it.each(['pigeon', 'HTTP', '', '__proto__', 'toString'])(
  'an unknown kind names the known ones: %j',
  (kind) => {
    const [field] = fieldsOfRefusal(kind, {});

    expect(field?.pointer).toBe('/kind');
    for (const known of TARGET_KINDS) expect(field?.message).toContain(known);
  },
);
