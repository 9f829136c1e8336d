import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import type { ServerResponse } from 'node:http';
import type { SendResult } from '../../src/channels/channel';
import { GatewayUnavailableError } from '../../src/errors';
import { openedChannels } from './opened-channels';
import { json, startScriptedTwilio, type ScriptedTwilio } from './scripted-twilio';
import { textOf, TO } from './twilio-subject';

const MESSAGE = { to: TO, attemptId: 'att_1', content: textOf('x') };

describe.each(['sms', 'whatsapp', 'voice'] as const)('answers of Twilio to %s', (name) => {
  const open = openedChannels();
  let twilio: ScriptedTwilio | undefined;
  const start = async (answer: (response: ServerResponse) => unknown): Promise<string> => {
    twilio = await startScriptedTwilio(answer);
    return twilio.url;
  };
  const sendTo = (baseUrl: string, timeoutMs = 1_000): Promise<SendResult> =>
    open(baseUrl, { timeoutMs })[name].send(MESSAGE);

  afterEach(async () => {
    await twilio?.close();
    twilio = undefined;
  });

  it.each([
    [400, 21211],
    [403, 20003],
    [404, 20404],
  ])('%i in Twilio’s own words is a refusal, without its number', async (status, code) => {
    const url = await start(json(status, { code, message: `Invalid 'To' Phone Number: ${TO}`, status }));

    const result = await sendTo(url);

    expect(result).toMatchObject({ kind: 'rejected', code: String(code) });
    expect(JSON.stringify(result)).not.toContain(TO);
  });

  it('keeps a message unsent while the credentials are wrong', async () => {
    const url = await start(json(401, { code: 20003, message: 'Authenticate', status: 401 }));

    expect(await sendTo(url)).toMatchObject({ kind: 'unsent', code: '20003' });
  });

  it.each([
    ['7', 7_000],
    ['-5', undefined],
    ['soon', undefined],
  ])('passes on Retry-After %s of a 429', async (header, retryAfterMs) => {
    const url = await start((response) =>
      response.writeHead(429, { 'retry-after': header }).end('{"code":20429,"message":"Too Many Requests"}'),
    );

    const result = await sendTo(url);

    expect(result).toMatchObject({ kind: 'unsent', code: '20429' });
    expect('retryAfterMs' in result ? result.retryAfterMs : undefined).toBe(retryAfterMs);
  });

  it.each([
    ['a page of a proxy with 403', 403, '<html>blocked</html>'],
    ['408', 408, '{"code":1,"message":"x"}'],
    ['a redirect', 302, ''],
    ['503', 503, '{"code":20503,"message":"x"}'],
    ['201 with null', 201, 'null'],
    ['201 with half a document', 201, '{"sid":"SM'],
    ['201 with an empty sid', 201, '{"sid":""}'],
    ['201 with a sid that is a number', 201, '{"sid":7}'],
  ])('calls %s ambiguous', async (_name, status, body) => {
    const url = await start((response) =>
      response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body),
    );

    expect((await sendTo(url)).kind).toBe('ambiguous');
    expect(twilio?.requests).toHaveLength(1);
  });

  it('ends a call whose answer only trickles', async () => {
    let trickle: NodeJS.Timeout | undefined;
    const url = await start((response) => {
      response.writeHead(201, { 'content-type': 'application/json' });
      trickle = setInterval(() => response.write(' '), 50);
    });

    const result = await sendTo(url, 300);
    clearInterval(trickle);

    expect(result).toMatchObject({ kind: 'ambiguous', code: 'timeout' });
    expect(result.latencyMs).toBeLessThan(5_000);
  });

  it('calls a reused connection that is cut ambiguous', async () => {
    let asked = 0;
    const url = await start((response) => {
      asked += 1;
      if (asked === 1) json(201, { sid: `SM${'1'.repeat(32)}`, status: 'queued' })(response);
      else response.socket?.resetAndDestroy();
    });
    const channel = open(url)[name];
    const first = await channel.send(MESSAGE);

    const second = await channel.send(MESSAGE);

    expect([first.kind, second.kind]).toEqual(['accepted', 'ambiguous']);
  });

  it('calls a refused connection unsent', async () => {
    const url = await start(() => undefined);
    await twilio?.close();

    expect(await sendTo(url)).toMatchObject({ kind: 'unsent', code: 'ECONNREFUSED' });
  });

  it('calls an unknown host unsent', async () => {
    expect((await sendTo('http://nowhere.invalid')).kind).toBe('unsent');
  });

  it.each([
    ['is cut', true],
    ['never ends', false],
  ])('calls it unsent when the TLS handshake %s', async (_name, cuts) => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      if (cuts) socket.once('data', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;

    const result = await sendTo(`https://127.0.0.1:${port}`, 300);
    sockets.forEach((socket) => {
      socket.destroy();
    });
    await new Promise((resolve) => server.close(resolve));

    expect(result.kind).toBe('unsent');
  });

  const sid = `${name === 'voice' ? 'CA' : 'SM'}${'1'.repeat(32)}`;
  const list = name === 'voice' ? 'calls' : 'messages';

  it.each([
    '{}',
    `{"${list}":null}`,
    '[]',
    '<html>',
    `{"${list}":[{"status":"queued"}]}`,
    `{"${list}":[{"sid":"${sid}","direction":"outbound-api","body":"x"}]}`,
  ])('does not take %s for a list', async (body) => {
    const url = await start(json(200, body));

    const found = open(url)[name].find({ to: TO, body: 'x', since: new Date().toISOString() });

    await expect(found).rejects.toBeInstanceOf(GatewayUnavailableError);
  });

  it.each([
    [200, '{}'],
    [200, 'null'],
    [404, '<html>Not Found</html>'],
    [401, '{"code":20003,"message":"Authenticate"}'],
    [500, '{"code":20500,"message":"x"}'],
  ])('does not take %i %s for what became of a message', async (status, body) => {
    const url = await start(json(status, body));

    await expect(open(url)[name].read(sid)).rejects.toBeInstanceOf(GatewayUnavailableError);
  });

  it('passes on how long to wait before the next look-up', async () => {
    const url = await start((response) =>
      response.writeHead(429, { 'retry-after': '3' }).end('{"code":20429,"message":"Too Many Requests"}'),
    );

    await expect(open(url)[name].read(sid)).rejects.toMatchObject({ retryAfterSeconds: 3 });
  });

  it('leaves out what others sent or this person did, and what is old', async () => {
    const entry = { status: 'delivered', body: 'x', direction: 'outbound-api', error_code: null };
    const entries = [
      { ...entry, sid: 'mine', date_created: new Date().toUTCString() },
      { ...entry, sid: 'undated', date_created: null },
      { ...entry, sid: 'theirs', direction: 'inbound', date_created: new Date().toUTCString() },
      { ...entry, sid: 'old', date_created: new Date(Date.now() - 60_000).toUTCString() },
    ];
    const url = await start(json(200, { [list]: entries }));

    const found = await open(url)[name].find({ to: TO, body: 'x', since: new Date().toISOString() });

    expect(found.map((message) => message.sid)).toEqual(['mine', 'undated']);
  });
});
