import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { DeliveryDeps } from './activities/deliveries';
import { readInstallation } from './database/installation';
import { createApp } from './http/app';
import { createHealth, type Health } from './http/health';
import { configureServer } from './http/server';
import { openFlashLane } from './lanes/flash-lane';
import { FLASH_LIMITS } from './lanes/limits';
import { createSaleAdmission } from './lanes/sale-admission';
import { openParticipantWebhooks, participantsOf } from './participants';
import { openTwilioWebhooks, readVersion, type Services } from './services';

/** Accepted requests may take this long to finish at a shutdown: the longest wait for a commit (60 s), and a start (5 s). */
const DRAIN_MS = 70_000;
/** How often a shutdown looks whether the last request is finished. */
const DRAIN_POLL_MS = 50;

/** The HTTP side of a process: alone, or beside workers. */
export interface Api {
  /** Readiness goes first, accepted requests finish. What they need (Temporal, workers, services) is closed after it. */
  close(): Promise<void>;
}

/**
 * Builds the app and listens.
 * @param parts.isWorkerHere - workers of the role `orders` run in this process, on the same connection
 * @param parts.deliveries - with what the flash lane makes its first deliveries
 */
export async function openApi(
  services: Services,
  parts: { temporal: Client; isWorkerHere: boolean; deliveries: DeliveryDeps },
): Promise<Api> {
  const { config, pool, log } = services;
  const { temporal, isWorkerHere } = parts;
  const health = createHealth({ pool, temporal, log });
  await health.start();
  const sales = createSaleAdmission({ pool, log });
  const flash = await openFlashLane({
    ...services,
    temporal,
    deliveries: parts.deliveries,
    limits: { ...FLASH_LIMITS, ...config.flash, keepOpen: config.lane === 'flash' },
  });
  const app = createApp({
    lane: config.lane,
    flash,
    sales,
    pool,
    log,
    installation: await readInstallation(pool),
    places: services.places,
    temporal,
    decisions: isWorkerHere ? services.decisions : null,
    secretBox: services.secretBox,
    access: { keys: [...config.apiKeys], rateLimit: config.rateLimit },
    allowPrivateTargets: config.allowPrivateTargets,
    countries: config.notify.countries,
    health,
    lag: services.lag,
    metrics: services.metrics,
    version: readVersion(),
    publicUrl: config.publicUrl,
    twilio: openTwilioWebhooks(config),
    participantWebhooks: openParticipantWebhooks(config, () => new Date()),
    participants: participantsOf(config),
    phoneHash: services.phoneHash,
  });
  const server = createServer(app);
  configureServer(server);
  const requests = countRequests(server);
  await listen(server, config.host, config.port);
  const { port } = server.address() as AddressInfo;
  log.info({ host: config.host, port }, 'the API is listening');
  return {
    async close() {
      await drain(server, requests, health);
      await flash.close();
      await sales.close();
      await health.stop();
      log.info('the API has stopped');
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

/** How many requests are being answered. */
function countRequests(server: Server): { open: number } {
  const requests = { open: 0 };
  server.on('request', (_req, res) => {
    requests.open += 1;
    res.once('close', () => (requests.open -= 1));
  });
  return requests;
}

/**
 * Readiness goes first, and whoever asks from here on is answered 503. The port is closed only when the last accepted
 * request is finished, so that a probe hears it instead of a refused connection. Connections that callers keep open
 * are closed as they become idle; waiting for the callers to do so would take a minute.
 */
async function drain(server: Server, requests: { open: number }, health: Health): Promise<void> {
  health.drain();
  const deadline = Date.now() + DRAIN_MS;
  while (requests.open > 0 && Date.now() < deadline) await delay(DRAIN_POLL_MS);
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
  const sweep = setInterval(
    () => (Date.now() < deadline ? server.closeIdleConnections() : server.closeAllConnections()),
    DRAIN_POLL_MS,
  );
  await closed;
  clearInterval(sweep);
}
