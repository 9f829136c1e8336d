import type { FakeServer } from '../../src/dev/fake-server';
import { startFakeSink } from '../../src/dev/fake-sink';
import { controlFake, evidenceOf, temporaryLog } from './fake-control';

describe('fake sink', () => {
  const log = temporaryLog();
  let fake: FakeServer;

  beforeEach(async () => {
    fake = await startFakeSink({ port: 0, logFile: log.logFile });
  });
  afterEach(async () => {
    await fake.close();
    log.remove();
  });

  const send = (path: string, method = 'POST', body: string | null = '{"a": 1}'): Promise<Response> =>
    fetch(`${fake.url}${path}`, { method, body, redirect: 'manual', headers: { 'x-delivery': 'd1' } });

  it.each(['POST', 'PUT', 'PATCH'])('takes %s on any path and keeps the raw text', async (method) => {
    const response = await send('/any/path?x=1', method, '{"b":  2, "ü": 1}');

    expect(response.status).toBe(200);
    expect(await response.text()).toBe('{}');
    expect(await evidenceOf(fake.url, 'received')).toMatchObject([
      {
        method,
        path: '/any/path',
        query: { x: '1' },
        headers: { 'x-delivery': 'd1' },
        body: '{"b":  2, "ü": 1}',
        answer: 200,
      },
    ]);
  });

  it('refuses other methods', async () => {
    expect((await send('/x', 'GET', null)).status).toBe(405);
  });

  it('answers planned statuses with their headers, for one path or all', async () => {
    await controlFake(fake.url, {
      faults: [
        { path: '/a', status: 429, headers: { 'retry-after': '5' }, times: 2 },
        { status: 503, times: 1 },
      ],
    });

    const answers = [
      await send('/b'),
      await send('/a'),
      await send('/a'),
      await send('/a'),
      await send('/b'),
    ];

    expect(answers.map(({ status }) => status)).toEqual([503, 429, 429, 200, 200]);
    expect(answers[1]?.headers.get('retry-after')).toBe('5');
    const received = await evidenceOf(fake.url, 'received');
    expect(received.map(({ answer }) => answer)).toEqual([503, 429, 429, 200, 200]);
  });

  it('cuts after it has written down what came', async () => {
    await controlFake(fake.url, { faults: [{ action: 'cut_after_accept' }] });

    await expect(send('/cut')).rejects.toThrow();

    expect(await evidenceOf(fake.url, 'received')).toMatchObject([{ path: '/cut', answer: 'cut' }]);
  });

  it('redirects where it was told to', async () => {
    await controlFake(fake.url, { faults: [{ action: 'redirect', location: 'http://127.0.0.1:1/' }] });

    const response = await send('/x');

    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('http://127.0.0.1:1/');
  });

  it('delays its answers', async () => {
    await controlFake(fake.url, { delayMs: 100 });
    const startedAt = performance.now();

    await send('/slow');

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(95);
  });

  it('is down until it is told otherwise', async () => {
    await controlFake(fake.url, { down: true });
    expect((await send('/x')).status).toBe(503);

    await controlFake(fake.url, { reset: true });
    expect((await send('/x')).status).toBe(200);
  });

  it('keeps what it received over a restart', async () => {
    await send('/before');
    await fake.close();

    fake = await startFakeSink({ port: 0, logFile: log.logFile });
    await send('/after');

    expect((await evidenceOf(fake.url, 'received')).map(({ path }) => path)).toEqual(['/before', '/after']);
  });

  it.each([
    [{ faults: [{}] }],
    [{ faults: [{ action: 'redirect' }] }],
    [{ faults: [{ status: 700 }] }],
    [{ faults: [{ status: 500, path: 'x' }] }],
  ])('refuses the control document %j', async (document) => {
    await expect(controlFake(fake.url, document)).rejects.toThrow('control refused');
  });

  it('answers 413 to a body without end', async () => {
    const response = await send('/big', 'POST', 'x'.repeat(2_000_000));

    expect(response.status).toBe(413);
    expect(await evidenceOf(fake.url, 'received')).toEqual([]);
  });
});
