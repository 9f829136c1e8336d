import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createConsumer, type ConsumerOptions } from '../../samples/consumer';
import { envelopeText, type EventDetail, type EventEnvelope } from '../../src/domain/events';

export const SECRET = `whsec_${Buffer.alloc(32, 'current').toString('base64')}`;
export const PREVIOUS_SECRET = `whsec_${Buffer.alloc(32, 'previous').toString('base64')}`;

/** The sample on a port of loopback. */
export interface SampleServer {
  url: string;
  close(): Promise<void>;
}

export async function startSample(options: Omit<ConsumerOptions, 'secrets'>): Promise<SampleServer> {
  const server = createServer(createConsumer({ secrets: [SECRET, PREVIOUS_SECRET], ...options }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As Standard Webhooks says, written here once more so that the sample is not checked against itself. */
export function signedHeaders(
  body: string,
  { id = `evt_${randomUUID()}`, secret = SECRET, at = Date.now() } = {},
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}

export async function post(url: string, body: string, headers = signedHeaders(body)): Promise<number> {
  const answer = await fetch(url, { method: 'POST', body, headers });
  await answer.arrayBuffer();
  return answer.status;
}

/** Sends an event as a sender does. @returns the status of the answer */
export function deliver(url: string, event: EventEnvelope): Promise<number> {
  const body = envelopeText(event);
  return post(url, body, signedHeaders(body, { id: event.id }));
}

export function orderEvent(type: string, detail: EventDetail): EventEnvelope {
  return {
    id: randomUUID(),
    source: 'ecommerce.orders',
    'detail-type': type,
    time: '2026-08-01T12:00:00.000Z',
    detail,
  };
}
