import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { validateRequest } from 'twilio';
import type { FakeServer } from '../../src/dev/fake-server';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import { temporaryLog } from './fake-control';

export const SID = `AC${'b'.repeat(32)}`;
export const TOKEN = 'the-auth-token';
export const FROM = '+15005550006';

export type Resource = Record<string, unknown>;

/** A fake Twilio, asked as an account asks it. */
export interface TwilioRig {
  readonly url: string;
  /** `POST`, for instance to `Messages` or `Calls/CA….json`. Fields that are a list are sent more than once. */
  post(path: string, form: Record<string, string | string[]>, token?: string): Promise<Response>;
  /** Creates and expects 201. */
  create(kind: 'Messages' | 'Calls', form: Record<string, string | string[]>): Promise<Resource>;
  get(path: string): Promise<Resource>;
  delete(path: string): Promise<number>;
  /** A person writes. */
  inbound(message: Record<string, string>): Promise<Response>;
  /** A new process as far as the fake can tell: only its log is left. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRig(): Promise<TwilioRig> {
  const log = temporaryLog();
  let fake: FakeServer = await startFakeTwilio({ port: 0, logFile: log.logFile });
  const pathOf = (path: string): string => {
    const full = path.startsWith('/') ? path : `/2010-04-01/Accounts/${SID}/${path}`;
    return `${fake.url}${/\.json(\?|$)/.test(full) ? full : `${full}.json`}`;
  };
  const headersFor = (token: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`${SID}:${token}`).toString('base64')}`,
  });
  const post: TwilioRig['post'] = (path, form, token = TOKEN) =>
    fetch(pathOf(path), { method: 'POST', headers: headersFor(token), body: bodyOf(form) });
  return {
    get url() {
      return fake.url;
    },
    post,
    async create(kind, form) {
      const response = await post(kind, form);
      if (response.status !== 201) throw new Error(`not created: ${await response.text()}`);
      return (await response.json()) as Resource;
    },
    async get(path) {
      return (await (await fetch(pathOf(path), { headers: headersFor(TOKEN) })).json()) as Resource;
    },
    async delete(path) {
      return (await fetch(pathOf(path), { method: 'DELETE', headers: headersFor(TOKEN) })).status;
    },
    inbound: (message) => fetch(`${fake.url}/_inbound`, { method: 'POST', body: JSON.stringify(message) }),
    async restart() {
      await fake.close();
      fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
    },
    async stop() {
      await fake.close();
      log.remove();
    },
  };
}

function bodyOf(form: Record<string, string | string[]>): URLSearchParams {
  const pairs = Object.entries(form).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
  return new URLSearchParams(pairs);
}

export interface Received {
  params: Record<string, string>;
  headers: IncomingHttpHeaders;
  /** By twilio's own check, for the address that the fake was told. */
  isSignedWith: (token: string) => boolean;
}

/** A server of the account: keeps what Twilio posts to it. */
export interface Receiver {
  url: string;
  readonly received: Received[];
  /** What it answers from now on. Default 204. */
  answer(status: number): void;
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let status = 204;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const params = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8')));
      const signature = String(request.headers['x-twilio-signature']);
      const url = `http://${request.headers.host}${request.url}`;
      received.push({
        params,
        headers: request.headers,
        isSignedWith: (token) => validateRequest(token, signature, url, params),
      });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/status?na=att_1&t=a%20b`,
    received,
    answer: (next) => {
      status = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
