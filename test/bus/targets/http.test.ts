import { createServer } from 'node:net';
import type { AddressInfo, LookupFunction } from 'node:net';
import type { ConnectionSecret } from '../../../src/bus/targets/connection';
import { createHttpTarget } from '../../../src/bus/targets/http';
import { parseHttpTargetConfig, type HttpTargetConfig } from '../../../src/bus/targets/http-config';
import type { SendOutcome, Target } from '../../../src/bus/targets/target';
import { httpTargetContract, type HttpTargetHarness } from '../../contract/http-target';
import { CONTRACT_EVENT, CONTRACT_NOW, CONTRACT_REQUEST, targetContract } from '../../contract/target';
import { arrangeSink, openSink, SINK_SITUATIONS, type Sink } from './sink';

const TIMEOUT_MS = 400;

function openTarget(
  url: string,
  settings: Partial<HttpTargetConfig> = {},
  connection: ConnectionSecret | null = null,
): Target {
  const config = parseHttpTargetConfig({ url, timeoutMs: TIMEOUT_MS, ...settings }, { allowPrivate: true });
  return createHttpTarget(config, { allowPrivate: true, connection, now: () => CONTRACT_NOW });
}

async function openHarness(): Promise<HttpTargetHarness> {
  const sink = await openSink();
  const target = openTarget(sink.url);
  return {
    target,
    timeoutMs: TIMEOUT_MS,
    situations: SINK_SITUATIONS,
    // HTTP has no word for it: a receiver finds the order's id in the event.
    carriesOrderingKey: false,
    arrange: (situation) => arrangeSink(sink, situation),
    behave: (behaviour) => sink.behave(behaviour),
    requestCount: () => sink.requests.length,
    received: () =>
      Promise.resolve(
        sink.accepted.map(({ headers, body }) => ({
          id: String(headers['webhook-id']),
          deliveryId: String(headers['x-aftercommit-delivery-id']),
          payload: body,
          orderingKey: null,
          replayId: headers['replay-id'] === undefined ? null : String(headers['replay-id']),
        })),
      ),
    close: async () => {
      await target.close();
      await sink.close();
    },
  };
}

targetContract('http', openHarness);
httpTargetContract('http', openHarness);

describe('an API destination', () => {
  let sink: Sink;
  const targets: Target[] = [];
  beforeAll(async () => {
    sink = await openSink();
  });
  beforeEach(() => {
    sink.requests.length = 0;
    sink.behave({ kind: 'answer', status: 200 });
  });
  afterEach(async () => {
    await Promise.all(targets.splice(0).map((target) => target.close()));
  });
  afterAll(() => sink.close());

  function open(...parameters: Parameters<typeof openTarget>): Target {
    const target = openTarget(...parameters);
    targets.push(target);
    return target;
  }

  it('sends the payload as it is, with ids that a receiver can recognize a repeat by', async () => {
    await open(sink.url, { method: 'PUT', headers: { 'x-team': 'orders' } }).send(CONTRACT_REQUEST);

    expect(sink.requests).toEqual([
      {
        method: 'PUT',
        path: '/hook',
        body: CONTRACT_REQUEST.payload,
        headers: expect.objectContaining({
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(CONTRACT_REQUEST.payload)),
          'webhook-id': CONTRACT_EVENT.id,
          'idempotency-key': CONTRACT_REQUEST.deliveryId,
          'x-aftercommit-delivery-id': CONTRACT_REQUEST.deliveryId,
          'x-team': 'orders',
        }) as unknown,
      },
    ]);
  });

  it.each<[ConnectionSecret, string, string]>([
    [{ kind: 'basic', username: 'AC1', password: 'tökén' }, 'authorization', 'Basic QUMxOnTDtmvDqW4='],
    [{ kind: 'bearer', token: 'abc' }, 'authorization', 'Bearer abc'],
    [{ kind: 'api_key', headerName: 'X-Api-Key', value: 'abc' }, 'x-api-key', 'abc'],
  ])('authenticates with a connection: %j', async (connection, header, value) => {
    await open(sink.url, {}, connection).send(CONTRACT_REQUEST);

    expect(sink.requests[0]?.headers[header]).toBe(value);
  });

  it('sends a flat object as a form, so that the Twilio rule of the source documents works', async () => {
    const payload =
      '{"To":"+14155550100","From":"+15005550006","Body":"Order #ord_1 confirmed & paid é.","n":2}';

    const outcome = await open(sink.url, { encoding: 'form' }).send({ ...CONTRACT_REQUEST, payload });

    expect(outcome.kind).toBe('delivered');
    expect(sink.requests[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(sink.requests[0]?.body).toBe(
      'To=%2B14155550100&From=%2B15005550006&Body=Order+%23ord_1+confirmed+%26+paid+%C3%A9.&n=2',
    );
  });

  it.each(['[1]', 'text', '"text"', 'null', '{"a":{}}', '{"a":[1]}', '{"a":null}'])(
    'does not send %s as a form',
    async (payload) => {
      const outcome = await open(sink.url, { encoding: 'form' }).send({ ...CONTRACT_REQUEST, payload });

      expect(outcome).toMatchObject({ kind: 'dead', status: null, code: 'template_error' });
      expect(sink.requests).toEqual([]);
    },
  );

  it('sends form-encoded names that objects inherit', async () => {
    await open(sink.url, { encoding: 'form' }).send({ ...CONTRACT_REQUEST, payload: '{"__proto__":"x"}' });

    expect(sink.requests[0]?.body).toBe('__proto__=x');
  });

  it('reads no more than its cap of an endless body', async () => {
    sink.behave({ kind: 'endless-body' });

    await open(sink.url).send(CONTRACT_REQUEST);

    // What lies in socket buffers on both sides comes on top of the 64 KB.
    expect(sink.bytesWritten()).toBeLessThan(16 * 1_024 * 1_024);
  });

  it('does not follow a redirect to another address', async () => {
    const other = await openSink();
    sink.behave({ kind: 'answer', status: 302, headers: { location: other.url } });

    const outcome = await open(sink.url).send(CONTRACT_REQUEST);

    expect(outcome).toMatchObject({ kind: 'dead', code: 'redirect_refused' });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('serves many sends at once, each with its own outcome', async () => {
    const target = open(sink.url, { timeoutMs: 10_000 });

    const outcomes = await Promise.all(Array.from({ length: 200 }, () => target.send(CONTRACT_REQUEST)));

    expect(outcomes.every(({ kind }) => kind === 'delivered')).toBe(true);
    expect(sink.requests).toHaveLength(200);
  });

  it('keeps secrets and payloads out of its messages', async () => {
    const connection: ConnectionSecret = { kind: 'bearer', token: 'very-secret' };
    const payload = '{"phone":"+14155550100"}';
    const outcomes: SendOutcome[] = [];
    for (const behaviour of [
      { kind: 'answer', status: 400, body: 'bad token very-secret +14155550100' },
      { kind: 'accept-then-cut' },
      { kind: 'hang' },
    ] as const) {
      sink.behave(behaviour);
      outcomes.push(await open(sink.url, {}, connection).send({ ...CONTRACT_REQUEST, payload }));
    }

    expect(JSON.stringify(outcomes)).not.toMatch(/very-secret|4155550100/);
  });

  it('is told when it was closed', async () => {
    const target = open(sink.url);
    await target.close();

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry', code: 'target_closed' });
  });
});

describe('an endpoint that cannot be reached', () => {
  async function sendTo(url: string, lookup?: LookupFunction): Promise<SendOutcome> {
    const config = parseHttpTargetConfig({ url, timeoutMs: TIMEOUT_MS }, { allowPrivate: true });
    const target = createHttpTarget(config, { allowPrivate: true, connection: null, lookup });
    const outcome = await target.send(CONTRACT_REQUEST);
    await target.close();
    return outcome;
  }

  it('refuses the connection: retry', async () => {
    const closed = await openSink();
    await closed.close();

    expect(await sendTo(closed.url)).toMatchObject({
      kind: 'retry',
      status: null,
      code: 'connection_refused',
    });
  });

  it('has no name: retry', async () => {
    const lookup: LookupFunction = (_name, _options, callback) =>
      callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);

    expect(await sendTo('https://hooks.example.com/', lookup)).toMatchObject({
      kind: 'retry',
      code: 'dns_error',
    });
  });

  it('has a name server that never answers: retry after the timeout', async () => {
    expect(await sendTo('https://hooks.example.com/', () => undefined)).toMatchObject({
      kind: 'retry',
      code: 'timeout',
    });
  });

  it('does not speak TLS: retry', async () => {
    const sink = await openSink();

    expect(await sendTo(sink.url.replace('http:', 'https:'))).toMatchObject({
      kind: 'retry',
      code: 'tls_error',
    });

    await sink.close();
  });

  it('does not speak HTTP: retry', async () => {
    const server = createServer((socket) => socket.resume().end('220 smtp.example.com\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

    const outcome = await sendTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);

    expect(outcome).toMatchObject({ kind: 'retry', code: 'invalid_answer' });
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('an address that is not public', () => {
  async function sendTo(config: HttpTargetConfig, lookup?: LookupFunction): Promise<SendOutcome> {
    const target = createHttpTarget(config, { allowPrivate: false, connection: null, lookup });
    const outcome = await target.send(CONTRACT_REQUEST);
    await target.close();
    return outcome;
  }

  it('is blocked when its name points there only later', async () => {
    const sink = await openSink();
    const { port } = new URL(sink.url);
    const config = parseHttpTargetConfig(
      { url: `https://hooks.example.com:${port}/` },
      { allowPrivate: false },
    );
    const rebound: LookupFunction = (_name, _options, callback) =>
      callback(null, [
        { address: '93.184.215.14', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]);

    expect(await sendTo(config, rebound)).toMatchObject({ kind: 'dead', status: null, code: 'ssrf_blocked' });

    expect(sink.requests).toEqual([]);
    await sink.close();
  });

  it.each(['http://127.0.0.1:4012/', 'https://[::1]/', 'https://10.1.2.3/', 'https://localhost/'])(
    'is blocked when it was stored while private addresses were allowed: %s',
    async (url) => {
      const config = parseHttpTargetConfig({ url }, { allowPrivate: true });

      expect(await sendTo(config)).toMatchObject({ kind: 'dead', status: null, code: 'ssrf_blocked' });
    },
  );
});
