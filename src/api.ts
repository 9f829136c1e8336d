import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { processEnvironment, readConfig } from './config';
import { readInstallation } from './database/installation';
import { createApp } from './http/app';
import { createHealth, type Health } from './http/health';
import { configureServer } from './http/server';
import { runMain } from './main';
import { openParticipantWebhooks, participantsOf } from './participants';
import { openServices, openTwilioWebhooks, readVersion, temporalConnection, type Services } from './services';

/** Accepted requests may take this long to finish at a shutdown: the longest wait for a commit (60 s), and a start (5 s). */
const DRAIN_MS = 70_000;
/** How often a shutdown looks whether the last request is finished. */
const DRAIN_POLL_MS = 50;

/** Builds the app, listens, and stops gracefully: readiness goes first, accepted requests finish. */
async function main(): Promise<void> {
  const config = readConfig(processEnvironment());
  const services = openServices(config, 'aftercommit-api');
  // Lazy: the API starts, and answers 503, while Temporal is away.
  const connection = Connection.lazy(temporalConnection(config));
  const temporal = new Client({ connection, namespace: config.temporal.namespace });
  const health = createHealth({ pool: services.pool, temporal, log: services.log });
  await health.start();
  const app = createApp({
    pool: services.pool,
    log: services.log,
    installation: await readInstallation(services.pool),
    places: services.places,
    temporal,
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
  services.log.info({ host: config.host, port }, 'the API is listening');
  await untilStopped();
  await drain(server, requests, health);
  await connection.close();
  await close(services, health);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
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

async function close(services: Services, health: Health): Promise<void> {
  await health.stop();
  await services.close();
  services.log.info('the API has stopped');
}

runMain(main);
