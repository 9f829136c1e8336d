import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOOPBACK_CERTIFICATE } from './loopback-certificate';
import { openedChannels } from './opened-channels';
import { json } from './scripted-twilio';
import { textOf, TO } from './twilio-subject';

const MESSAGE = { to: TO, attemptId: 'att_1', content: textOf('x') };

describe('TLS to Twilio', () => {
  const open = openedChannels();
  const opened: Server[] = [];
  const answer = json(201, { sid: `SM${'1'.repeat(32)}`, status: 'queued' });
  let asked = 0;
  let tunnels: string[] = [];
  let url = '';
  let proxyUrl = '';
  let folder = '';

  beforeEach(async () => {
    asked = 0;
    tunnels = [];
    folder = mkdtempSync(join(tmpdir(), 'aftercommit-tls-'));
    const server = createServer(LOOPBACK_CERTIFICATE, (request, response) => {
      asked += 1;
      request.resume().on('end', () => answer(response));
    });
    url = `https://127.0.0.1:${await listening(server)}`;
    const proxy = createHttpServer((_request, response) => response.writeHead(500).end());
    proxy.on('connect', ({ url: place }, client: Socket) => {
      tunnels.push(place ?? '');
      const { hostname, port } = new URL(`http://${place}`);
      const far = connect(Number(port), hostname, () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
      far.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.on('error', () => far.destroy()).on('close', () => far.destroy());
      far.pipe(client).pipe(far);
    });
    proxyUrl = `http://127.0.0.1:${await listening(proxy as unknown as Server)}`;
  });
  afterEach(async () => {
    delete process.env['TWILIO_CA_BUNDLE'];
    delete process.env['HTTP_PROXY'];
    rmSync(folder, { recursive: true });
    for (const server of opened.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function listening(server: Server): Promise<number> {
    opened.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  it('refuses a certificate of nobody known, with nothing sent', async () => {
    const result = await open(url).sms.send(MESSAGE);

    expect(result).toMatchObject({ kind: 'unsent', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(asked).toBe(0);
  });

  it('believes the authorities of TWILIO_CA_BUNDLE, as the package does', async () => {
    const file = join(folder, 'authorities.pem');
    writeFileSync(file, LOOPBACK_CERTIFICATE.cert);
    process.env['TWILIO_CA_BUNDLE'] = file;
    const { sms } = open(url);

    expect((await sms.send(MESSAGE)).kind).toBe('accepted');
    expect((await sms.send(MESSAGE)).kind).toBe('accepted');
    expect(asked).toBe(2);
  });

  it('refuses a certificate of another host', async () => {
    const file = join(folder, 'authorities.pem');
    writeFileSync(file, LOOPBACK_CERTIFICATE.cert);
    process.env['TWILIO_CA_BUNDLE'] = file;

    const result = await open(url.replace('127.0.0.1', 'localhost')).sms.send(MESSAGE);

    expect(result).toMatchObject({ kind: 'unsent', code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(asked).toBe(0);
  });

  it('goes through the tunnel of HTTP_PROXY, as the package does, with TLS to the end of it', async () => {
    process.env['HTTP_PROXY'] = proxyUrl;

    const result = await open(url).sms.send(MESSAGE);

    expect(tunnels).toEqual([url.replace('https://', '')]);
    expect(result).toMatchObject({ kind: 'unsent', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(asked).toBe(0);
  });

  it('goes to plain HTTP without the proxy', async () => {
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
    const plain = createHttpServer((request, response) => request.resume().on('end', () => answer(response)));

    const result = await open(`http://127.0.0.1:${await listening(plain as unknown as Server)}`).sms.send(
      MESSAGE,
    );

    expect(result.kind).toBe('accepted');
  });

  it('is unsent while the proxy cannot be reached', async () => {
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';

    expect(await open(url).sms.send(MESSAGE)).toMatchObject({ kind: 'unsent', code: 'ECONNREFUSED' });
  });
});
