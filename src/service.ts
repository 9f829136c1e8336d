import { openApi } from './api-server';
import { processEnvironment, readConfig } from './config';
import { runMain, untilStopped } from './main';
import { openServices } from './services';
import { openWorkers, ROLES } from './workers';

/**
 * API and workers in one process, on one pool and one connection to Temporal: an order's workflow starts here without a
 * detour over a task queue, and its commit answers the request that waits for it. `api` and `worker` do the same apart.
 */
async function main(): Promise<void> {
  const services = openServices(readConfig(processEnvironment()), 'aftercommit-service');
  const workers = await openWorkers(services, ROLES);
  try {
    const api = await openApi(services, {
      temporal: workers.client,
      isWorkerHere: true,
      deliveries: workers.deliveries,
    });
    try {
      await Promise.race([untilStopped(), workers.ended]);
    } finally {
      // Before the workers: accepted requests wait for their commits.
      await api.close();
    }
  } finally {
    await workers.close();
    await services.close();
  }
}

runMain(main);
