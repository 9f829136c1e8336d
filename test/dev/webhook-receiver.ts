import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SignedRequest } from '../../src/gateways/webhook-signature';

/** A server that keeps the webhooks that are posted to it, as they came. */
export interface WebhookReceiver {
  url: string;
  readonly received: (SignedRequest & { path: string })[];
  /** What the next requests are answered, one each; then 204 again. */
  answerNext(...statuses: number[]): void;
  stop(): Promise<void>;
}

/** @param port - default: any free one */
export async function startWebhookReceiver(port = 0): Promise<WebhookReceiver> {
  const received: WebhookReceiver['received'][number][] = [];
  const statuses: number[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(statuses.shift() ?? 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`,
    received,
    answerNext: (...next) => {
      statuses.push(...next);
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
