import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { Pool } from 'undici';
import { exchange, type TwilioHttpAnswer } from '../../src/channels/twilio-exchange';
import { waitFor } from '../support/wait';
import { json, startScriptedTwilio, type ScriptedTwilio } from './scripted-twilio';
import { TO } from './twilio-subject';

describe('one exchange with Twilio', () => {
  let twilio: ScriptedTwilio;
  let pool: Pool;
  const ask = (body: string, timeoutMs = 20_000): Promise<TwilioHttpAnswer> => {
    const headers = { authorization: 'Basic secret' };
    const { url: origin } = twilio;
    return exchange({ dispatcher: pool, origin, path: '/x', method: 'POST', headers, body, timeoutMs });
  };
  const failureOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);
  /** Every exchange goes over the same connection. */
  const start = async (answer: Parameters<typeof startScriptedTwilio>[0]): Promise<void> => {
    twilio = await startScriptedTwilio(answer);
    pool = new Pool(twilio.url, { connections: 1, pipelining: 1 });
  };

  afterEach(async () => {
    await pool.destroy();
    await twilio.close();
  });

  it('is unsent when it waited for a connection for too long, and leaves the connection as it is', async () => {
    const held: ServerResponse[] = [];
    const sockets = new Set<unknown>();
    await start((response) => {
      sockets.add(response.socket);
      held.push(response);
    });
    const first = ask('first');
    await waitFor('the first is asked', () => held.length === 1);

    const second = await failureOf(ask('second', 50));
    json(201, {})(held[0]!);
    await first;
    const third = ask('third');
    await waitFor('the third is asked', () => held.length === 2);
    json(201, {})(held[1]!);
    await third;

    expect(second).toMatchObject({ failure: 'unsent', code: 'timeout' });
    expect(twilio.requests.map(({ body }) => body)).toEqual(['first', 'third']);
    expect(sockets.size).toBe(1);
  });

  it('has one request at a time on a connection', async () => {
    let open = 0;
    let openMax = 0;
    await start((response) => {
      open += 1;
      openMax = Math.max(openMax, open);
      setImmediate(() => {
        open -= 1;
        json(201, {})(response);
      });
    });

    await Promise.all(Array.from({ length: 20 }, (_, n) => ask(String(n))));

    expect(openMax).toBe(1);
    expect(twilio.requests).toHaveLength(20);
  });

  it('is ambiguous when the answer stops half-way, and the next one has another connection', async () => {
    await start((response, { body }) => {
      if (body === 'next') json(201, { sid: 'SM1' })(response);
      else response.writeHead(201, { 'content-type': 'application/json' }).write('{"sid":');
    });

    const stuck = await failureOf(ask('stuck', 200));

    expect(stuck).toMatchObject({ failure: 'ambiguous', code: 'timeout' });
    expect(await ask('next')).toMatchObject({ statusCode: 201, body: { sid: 'SM1' } });
  });

  it('is ambiguous when the connection is cut in the middle of the answer', async () => {
    await start((response) => {
      response.writeHead(201, { 'content-length': '100' }).write('{"sid":', () => response.socket?.end());
    });

    expect(await failureOf(ask('x'))).toMatchObject({ failure: 'ambiguous', code: 'ECONNRESET' });
  });

  it('takes the last answer after an interim one', async () => {
    await start((response) => {
      response.writeEarlyHints({ link: '</x>; rel=preload' }, () => json(201, { sid: 'SM1' })(response));
    });

    expect(await ask('x')).toMatchObject({ statusCode: 201, body: { sid: 'SM1' } });
  });

  it.each([
    ['a document', '{"sid":"SM1"}', { sid: 'SM1' }],
    ['a page', '<html>', '<html>'],
    ['nothing', '', ''],
  ])('reads %s', async (_name, text, body) => {
    await start(json(200, text));

    expect(await ask('x')).toMatchObject({ statusCode: 200, body });
  });

  it.each([
    ['cut', 20_000, (response: ServerResponse) => response.socket?.resetAndDestroy()],
    ['silent', 100, () => undefined],
  ])('tells nothing of what was asked when the other side is %s', async (_name, timeoutMs, answer) => {
    await start(answer);

    const failure = inspect(await failureOf(ask(`To=${TO}`, timeoutMs)), { depth: null, showHidden: true });

    expect(failure).toContain('TwilioCallError');
    expect(failure).not.toContain(TO);
    expect(failure).not.toContain('secret');
  });
});
