import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { createSmsChannel, type SmsChannel } from '../../src/channels/sms';
import { createTwilioClient } from '../../src/channels/twilio-client';
import type { StoredEvidence } from '../../src/dev/evidence-log';
import type { FakeServer } from '../../src/dev/fake-server';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import { GatewayUnavailableError } from '../../src/errors';
import { describeChannelContract, type ChannelUnderTest } from '../contract/channel';
import { controlFake, evidenceOf, temporaryLog } from '../dev/fake-control';

const ACCOUNT = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'token' };
const FROM = '+15005550006';
const TO = '+14155550100';
/** Short, so that the tests of silence are; far above what loopback needs. */
const TIMEOUT_MS = 1_000;

describeChannelContract('sms', async (): Promise<ChannelUnderTest> => {
  const log = temporaryLog();
  const fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
  const channel = createSmsChannel({ ...ACCOUNT, from: FROM, baseUrl: fake.url, timeoutMs: TIMEOUT_MS });
  return {
    channel,
    goodAddress: TO,
    badAddress: '+15005550001',
    planFault: async (action) => {
      await controlFake(fake.url, { faults: [{ action }] });
    },
    setListLagMs: async (listLagMs) => {
      await controlFake(fake.url, { listLagMs });
    },
    evidence: async () => ({
      accepted: (await evidenceOf(fake.url, 'accepted')) as never,
      sendRequests: (await evidenceOf(fake.url, 'request')).filter(({ method }) => method === 'POST').length,
    }),
    stop: async () => {
      channel.close();
      await fake.close();
      log.remove();
    },
  };
});

describe('sms against the fake Twilio', () => {
  const log = temporaryLog();
  let fake: FakeServer;
  const channels: SmsChannel[] = [];
  const open = (options: Partial<Parameters<typeof createSmsChannel>[0]> = {}): SmsChannel => {
    const channel = createSmsChannel({
      ...ACCOUNT,
      from: FROM,
      baseUrl: fake.url,
      timeoutMs: TIMEOUT_MS,
      ...options,
    });
    channels.push(channel);
    return channel;
  };
  const lastForm = async (): Promise<Record<string, string>> => {
    const request = (await evidenceOf(fake.url, 'request')).at(-1) as StoredEvidence;
    return request['form'] as Record<string, string>;
  };

  beforeAll(async () => {
    fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
  });
  afterEach(async () => {
    channels.splice(0).forEach((channel) => {
      channel.close();
    });
    await controlFake(fake.url, { reset: true });
  });
  afterAll(async () => {
    await fake.close();
    log.remove();
  });

  it('sends From and no StatusCallback by default', async () => {
    await open().send({ to: TO, body: 'Grüße & 100 %', attemptId: 'att_1' });

    expect(await lastForm()).toEqual({ To: TO, From: FROM, Body: 'Grüße & 100 %' });
  });

  it('sends a messaging service and a callback when it has them', async () => {
    const messagingServiceSid = `MG${'1'.repeat(32)}`;
    const channel = open({
      from: messagingServiceSid,
      statusCallbackUrl: (attemptId) => `https://shop.example/webhooks/twilio/status?na=${attemptId}`,
    });

    const result = await channel.send({ to: TO, body: 'x', attemptId: 'att_1' });

    expect(result).toMatchObject({ kind: 'accepted', status: 'accepted' });
    expect(await lastForm()).toEqual({
      To: TO,
      MessagingServiceSid: messagingServiceSid,
      Body: 'x',
      StatusCallback: 'https://shop.example/webhooks/twilio/status?na=att_1',
    });
  });

  it.each([
    ['+15005550001', '21211'],
    ['+15005550002', '21612'],
    ['+15005550003', '21408'],
    ['+15005550004', '21610'],
    ['+15005550009', '21614'],
  ])('tells the code of a refused number %s', async (to, code) => {
    const result = await open().send({ to, body: 'x', attemptId: 'att_1' });

    expect(result).toMatchObject({ kind: 'rejected', code });
    expect(JSON.stringify(result)).not.toContain(to);
  });

  it('keeps a message unsent while the credentials are wrong', async () => {
    const { url, close } = await serveOnce((response) =>
      response.writeHead(401).end('{"code":20003,"message":"Authenticate","status":401}'),
    );

    const result = await open({ baseUrl: url }).send({ to: TO, body: 'x', attemptId: 'att_1' });
    await close();

    expect(result).toMatchObject({ kind: 'unsent', code: '20003' });
  });

  it.each([
    ['7', 7_000],
    ['-5', undefined],
    ['soon', undefined],
  ])('passes on Retry-After %s of a 429', async (header, retryAfterMs) => {
    const { url, close } = await serveOnce((response) =>
      response.writeHead(429, { 'retry-after': header }).end('{"code":20429,"message":"Too Many Requests"}'),
    );

    const result = await open({ baseUrl: url }).send({ to: TO, body: 'x', attemptId: 'att_1' });
    await close();

    expect(result).toMatchObject({ kind: 'unsent', code: '20429' });
    expect('retryAfterMs' in result ? result.retryAfterMs : undefined).toBe(retryAfterMs);
  });

  it('passes on the seconds that the fake was told', async () => {
    await controlFake(fake.url, { faults: [{ action: '429', retryAfterSeconds: 3 }] });

    const result = await open().send({ to: TO, body: 'x', attemptId: 'att_1' });

    expect(result).toMatchObject({ kind: 'unsent', retryAfterMs: 3_000 });
  });

  it.each([
    ['a page of a proxy with 403', 403, '<html>blocked</html>'],
    ['408', 408, '{"code":1,"message":"x"}'],
    ['a redirect', 302, ''],
    ['503', 503, '{"code":20503,"message":"x"}'],
    ['201 with null', 201, 'null'],
    ['201 with half a document', 201, '{"sid":"SM'],
    ['201 with an empty sid', 201, '{"sid":""}'],
  ])('calls %s ambiguous', async (_name, status, body) => {
    const { url, close } = await serveOnce((response) =>
      response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body),
    );

    const result = await open({ baseUrl: url }).send({ to: TO, body: 'x', attemptId: 'att_1' });
    await close();

    expect(result.kind).toBe('ambiguous');
  });

  it('ends a call whose answer only trickles', async () => {
    let trickle: NodeJS.Timeout | undefined;
    const { url, close } = await serveOnce((response) => {
      response.writeHead(201, { 'content-type': 'application/json' });
      trickle = setInterval(() => response.write(' '), 50);
    });

    const result = await open({ baseUrl: url, timeoutMs: 300 }).send({
      to: TO,
      body: 'x',
      attemptId: 'att_1',
    });
    clearInterval(trickle);
    await close();

    expect(result).toMatchObject({ kind: 'ambiguous', code: 'timeout' });
    expect(result.latencyMs).toBeLessThan(5_000);
  });

  it('calls a refused connection unsent', async () => {
    const { url, close } = await serveOnce(() => undefined);
    await close();

    const result = await open({ baseUrl: url }).send({ to: TO, body: 'x', attemptId: 'att_1' });

    expect(result).toMatchObject({ kind: 'unsent', code: 'ECONNREFUSED' });
  });

  it('calls an unknown host unsent', async () => {
    const result = await open({ baseUrl: 'http://nowhere.invalid' }).send({
      to: TO,
      body: 'x',
      attemptId: 'att_1',
    });

    expect(result.kind).toBe('unsent');
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

    const result = await open({ baseUrl: `https://127.0.0.1:${port}`, timeoutMs: 300 }).send({
      to: TO,
      body: 'x',
      attemptId: 'att_1',
    });
    sockets.forEach((socket) => {
      socket.destroy();
    });
    await new Promise((resolve) => server.close(resolve));

    expect(result.kind).toBe('unsent');
  });

  it('calls it ambiguous when a reused connection is cut', async () => {
    const channel = open();
    await channel.send({ to: TO, body: 'warm', attemptId: 'att_1' });
    await controlFake(fake.url, { faults: [{ action: 'refuse_connection_like_reset_before_accept' }] });

    const result = await channel.send({ to: TO, body: 'x', attemptId: 'att_2' });

    expect(result.kind).toBe('ambiguous');
  });

  it('finds a message behind several pages of others', async () => {
    const channel = open();
    const since = new Date().toISOString();
    await channel.send({ to: TO, body: 'the one', attemptId: 'att_1' });
    for (let n = 0; n < 120; n += 1) await channel.send({ to: TO, body: `noise ${n}`, attemptId: 'att_2' });

    const found = await channel.find({ to: TO, body: 'the one', since });

    expect(found).toHaveLength(1);
    const lists = (await evidenceOf(fake.url, 'request')).filter(({ method }) => method === 'GET');
    expect(lists.length).toBeGreaterThanOrEqual(3);
    expect(JSON.stringify(lists)).not.toContain('DateSent');
  });

  it("finds a message behind a trial account's prefix", async () => {
    const channel = open();
    const since = new Date().toISOString();
    await channel.send({ to: TO, body: 'Sent from your Twilio trial account - Hi', attemptId: 'att_1' });

    expect(await channel.find({ to: TO, body: 'Hi', since })).toHaveLength(1);
  });

  it('throws a retryable error when the list cannot be read, and says nothing of the number', async () => {
    const channel = open();
    await controlFake(fake.url, { down: true });

    const failure = await channel
      .find({ to: TO, body: 'x', since: new Date().toISOString() })
      .catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(GatewayUnavailableError);
    expect(failure).toMatchObject({ retryable: true });
    expect(String(failure)).not.toContain(TO);
  });

  it.each(['{}', '{"messages":null}', '[]'])('throws the same for a list answer %s', async (body) => {
    const { url, close } = await serveOnce((response) => response.writeHead(200).end(body));

    const found = open({ baseUrl: url }).find({ to: TO, body: 'x', since: new Date().toISOString() });

    await expect(found).rejects.toBeInstanceOf(GatewayUnavailableError);
    await close();
  });

  it('never has autoRetry on', () => {
    const client = createTwilioClient(ACCOUNT);

    expect(client.rest.autoRetry).toBe(false);
    expect(client.rest.httpClient.autoRetry).toBe(false);
    client.close();
  });

  it('speaks to Twilio itself without a base URL', () => {
    const client = createTwilioClient(ACCOUNT);

    expect(client.rest.api.v2010.absoluteUrl('Accounts')).toBe('https://api.twilio.com/2010-04-01/Accounts');
    client.close();
  });
});

async function serveOnce(
  answer: (response: ServerResponse) => unknown,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server: Server = createHttpServer((request, response) => {
    request.resume();
    request.once('end', () => answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
