import { processEnvironment, readConfig } from '../config';
import { migrate } from '../database/migrate';
import { openServices } from '../services';
import { runMain } from '../main';

/** Applies the migrations that are missing. Safe to repeat and to run by several at once. */
async function main(): Promise<void> {
  const services = openServices(readConfig(processEnvironment()), 'aftercommit-migrate');
  try {
    const applied = await migrate(services.pool, services.log);
    process.stdout.write(
      applied.length === 0 ? 'The database is up to date.\n' : `Applied ${applied.join(', ')}.\n`,
    );
  } finally {
    await services.close();
  }
}

runMain(main);
