import { processEnvironment, readConfig } from './config';
import { runMain, untilStopped } from './main';
import { openServices } from './services';
import { openWorkers, readRoles } from './workers';

/** Runs the workers of some roles, or of all, until it is told to stop. The API is another process. */
async function main(): Promise<void> {
  const roles = readRoles();
  const services = openServices(readConfig(processEnvironment()), 'aftercommit-worker');
  const workers = await openWorkers(services, roles);
  try {
    await Promise.race([untilStopped(), workers.ended]);
  } finally {
    await workers.close();
    await services.close();
  }
}

runMain(main);
