import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import createClient, { RequestClient } from 'twilio';
import { TwilioTransport } from '../../src/channels/twilio-transport';
import { waitFor } from '../support/wait';
import { openedChannels } from './opened-channels';
import { json, startScriptedTwilio, type ScriptedRequest, type ScriptedTwilio } from './scripted-twilio';
import { textOf, TO } from './twilio-subject';

const CREATED = { sid: `SM${'1'.repeat(32)}`, status: 'queued' };
const MESSAGE = { to: TO, attemptId: 'att_1', content: textOf('x') };
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
const ANSWER_BYTES_MAX = 4_194_304;

describe('the transport to Twilio', () => {
  const open = openedChannels();
  const sockets = new Set<Socket>();
  let twilio: ScriptedTwilio | undefined;
  const start = async (answer: Parameters<typeof startScriptedTwilio>[0]): Promise<string> => {
    twilio = await startScriptedTwilio((response, request) => {
      if (response.socket !== null) sockets.add(response.socket);
      answer(response, request);
    });
    return twilio.url;
  };

  afterEach(async () => {
    await twilio?.close();
    twilio = undefined;
    sockets.clear();
  });

  it.each([
    ['post', '/x.json', { data: { To: TO, Body: "Grüße & 100 % +!'()*~-._ 👍", Url: ['a', 'b'] } }],
    ['post', '/x.json', { data: { Timeout: 30, Trim: true, Empty: '', Null: null, None: undefined } }],
    ['post', '/x.json', { data: {} }],
    ['post', '/x.json', { headers: { 'Content-Type': 'application/json' }, data: { a: ['ü'] } }],
    ['get', '/x.json', { params: { To: TO, 'DateSent>': '2026 x', A: ['1', '2'] } }],
    ['get', '/x.json?Page=1&PageSize=50', {}],
    ['get', '/x.json?Page=1', { params: { PageSize: 50 } }],
  ] as const)('asks what the package’s own client asks: %s %s %j', async (method, path, options) => {
    const uri = `${await start(json(200, {}))}${path}`;
    const transport = new TwilioTransport({ timeoutMs: 20_000 });

    for (const httpClient of [new RequestClient({ keepAlive: false }), transport]) {
      const client = createClient(`AC${'0'.repeat(32)}`, 'töken', { httpClient });
      await client.request({ method, uri, ...structuredClone<object>(options) });
    }
    transport.close();

    const [theirs, ours] = twilio!.requests.map(comparable);
    expect(ours).toEqual(theirs);
    expect(Object.keys(ours?.headers ?? {})).toEqual(expect.arrayContaining(['authorization', 'user-agent']));
  });

  it('speaks below the path of its base URL', async () => {
    const url = await start(json(201, CREATED));

    await open(`${url}/twilio/`).sms.send(MESSAGE);

    expect(twilio?.requests[0]?.path).toMatch(/^\/twilio\/2010-04-01\/Accounts\/AC0+\/Messages\.json$/);
  });

  it('has a hundred connections, one request on each, and lets more wait', async () => {
    const held: ServerResponse[] = [];
    const url = await start((response) => held.push(response));
    const { sms } = open(url, { timeoutMs: 20_000 });

    const calls = Array.from({ length: 103 }, () => sms.send(MESSAGE));
    await waitFor('a hundred are asked', () => held.length === 100);
    const connections = sockets.size;
    held.splice(0).forEach(json(201, CREATED));
    await waitFor('the rest is asked', () => held.length === 3);
    held.forEach(json(201, CREATED));

    expect(new Set((await Promise.all(calls)).map(({ kind }) => kind))).toEqual(new Set(['accepted']));
    expect([connections, sockets.size]).toEqual([100, 100]);
  });

  it('uses another connection when the kept one was closed', async () => {
    const url = await start(json(201, CREATED));
    const { sms } = open(url);
    await sms.send(MESSAGE);
    const [kept] = sockets;
    kept?.end();
    await waitFor('the connection is closed', () => kept?.destroyed);

    expect((await sms.send(MESSAGE)).kind).toBe('accepted');
    expect([twilio?.requests.length, sockets.size]).toEqual([2, 2]);
  });

  it.each(['end', 'resetAndDestroy'] as const)(
    'asks at most once, and not at all when it says so, if a kept connection ends (%s) right then',
    async (ending) => {
      const url = await start(json(201, CREATED));
      const { sms } = open(url);
      for (let round = 0; round < 30; round += 1) {
        await sms.send(MESSAGE);
        const before = twilio!.requests.length;
        const call = sms.send(MESSAGE);
        for (const socket of sockets) socket[ending]();
        const { kind } = await call;
        const asked = twilio!.requests.length - before;

        expect({ unsent: [0], ambiguous: [0, 1], accepted: [1], rejected: [] }[kind]).toContain(asked);
      }
    },
  );

  it('reads an answer of 4 MiB and no longer one', async () => {
    const answerOf = (bytes: number): string => JSON.stringify(CREATED).padEnd(bytes, ' ');
    const url = await start((response) =>
      json(201, answerOf(ANSWER_BYTES_MAX + (twilio?.requests.length === 1 ? 0 : 1)))(response),
    );
    const { sms } = open(url, { timeoutMs: 20_000 });

    expect((await sms.send(MESSAGE)).kind).toBe('accepted');
    expect(await sms.send(MESSAGE)).toMatchObject({ kind: 'ambiguous', code: 'answer_too_long' });
  });

  it.each([
    [204, ''],
    [201, ''],
    [200, '<html>Welcome</html>'],
  ])('calls %i with %p ambiguous: it names no message', async (status, body) => {
    const url = await start((response) => response.writeHead(status).end(body));

    expect(await open(url).sms.send(MESSAGE)).toMatchObject({ kind: 'ambiguous', code: `http_${status}` });
  });

  it('keeps nothing of a call', async () => {
    const transport = new TwilioTransport({ timeoutMs: 20_000 });
    const uri = `${await start(json(200, {}))}/x.json`;

    await transport.request({ method: 'post', uri, headers: FORM, data: { To: TO } });
    transport.close();

    expect([transport.lastRequest, transport.lastResponse]).toEqual([undefined, undefined]);
  });

  it('lets an open call end when it is closed, and then closes its connection', async () => {
    let held: ServerResponse | undefined;
    const uri = `${await start((response) => (held = response))}/x.json`;
    const transport = new TwilioTransport({ timeoutMs: 20_000 });
    const call = transport.request({ method: 'get', uri });
    await waitFor('it is asked', () => held);

    transport.close();
    json(200, { a: 1 })(held!);

    expect((await call).body).toEqual({ a: 1 });
    await waitFor('the connection is closed', () => [...sockets].every(({ destroyed }) => destroyed));
  });
});

/** Without what says how the connection is used: it is not the same on purpose. */
function comparable({ method, target, body, headers }: ScriptedRequest): Partial<ScriptedRequest> {
  const compared = { ...headers };
  delete compared.connection;
  delete compared['accept-encoding'];
  return { method, target, body, headers: compared };
}
