import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from './log';
import type { Metrics } from './metrics';

/** Temporal's core answers on loopback within milliseconds. */
const CORE_TIMEOUT_MS = 2_000;

export interface MetricsServer {
  /** 0 when the port was taken and nothing is served. */
  port: number;
  close(): Promise<void>;
}

/** A port of loopback that was free a moment ago, for Temporal's core, which cannot say which one it took. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Serves `GET /metrics` of a worker: its own figures and those of Temporal's core, one text. A port that is taken is no
 * reason not to work: it is said in the log, and nothing is served.
 */
export async function serveMetrics(options: {
  metrics: Metrics;
  /** Where Temporal's core serves its own, on loopback. */
  corePort: number;
  host: string;
  port: number;
  log: Logger;
}): Promise<MetricsServer> {
  const { metrics, corePort, log } = options;
  const server = createServer((req, res) => {
    if (req.method !== 'GET' || req.url !== '/metrics') {
      res.writeHead(404).end();
      return;
    }
    Promise.all([metrics.text(), readCore(corePort)]).then(
      (texts) => res.writeHead(200, { 'content-type': metrics.contentType }).end(texts.join('\n')),
      (error: unknown) => {
        log.warn({ error: String(error) }, 'the metrics could not be read');
        res.writeHead(503).end();
      },
    );
  });
  const isListening = await listen(server, options);
  const port = isListening ? (server.address() as AddressInfo).port : 0;
  if (isListening) log.info({ host: options.host, port }, 'metrics are served');
  else log.warn({ port: options.port }, 'the port for metrics is taken; this worker serves none');
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function readCore(port: number): Promise<string> {
  const signal = AbortSignal.timeout(CORE_TIMEOUT_MS);
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal });
  return response.text();
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, host, () => resolve(true));
  });
}
