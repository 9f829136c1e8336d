import { Connection } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
import { startLocalTemporal, startTimeSkipping } from '../support/temporal';

afterAll(() => Runtime.instance().shutdown());

it('starts a development server with its Web UI and the search attributes asked for', async () => {
  const server = await startLocalTemporal({ searchAttributes: { OrderId: 'Keyword' } });
  const connection = await Connection.connect({ address: server.address });

  const attributes = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
  const page = await fetch(String(server.uiUrl));
  await connection.close();
  await server.stop();

  expect(Object.keys(attributes.customAttributes ?? {})).toContain('OrderId');
  expect(page.status).toBe(200);
  expect(server.process.isRunning()).toBe(false);
});

it('starts the time-skipping server, in which a month passes at once', async () => {
  const environment = await startTimeSkipping();
  const before = await environment.currentTimeMs();

  await environment.sleep('30 days');
  const after = await environment.currentTimeMs();
  await environment.teardown();

  expect(after - before).toBeGreaterThanOrEqual(30 * 24 * 3600 * 1000);
});
