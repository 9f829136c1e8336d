import { Client, Connection } from '@temporalio/client';
import { openApi } from './api-server';
import { processEnvironment, readConfig } from './config';
import { runMain, untilStopped } from './main';
import { openDeliveries, openServices, temporalConnection } from './services';

/** The API by itself; workers are other processes. */
async function main(): Promise<void> {
  const config = readConfig(processEnvironment());
  const services = openServices(config, 'aftercommit-api');
  // Lazy: the API starts, and answers 503, while Temporal is away.
  const connection = Connection.lazy(temporalConnection(config));
  const temporal = new Client({ connection, namespace: config.temporal.namespace });
  const deliveries = openDeliveries(services, () => temporal);
  const api = await openApi(services, { temporal, isWorkerHere: false, deliveries: deliveries.deps });
  await untilStopped();
  await api.close();
  await deliveries.close();
  await connection.close();
  await services.close();
}

runMain(main);
