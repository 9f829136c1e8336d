import { createServer, type Server } from 'node:net';
import { findFreePort } from '../../src/dev/ports';

async function listen(port: number): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return { server, port: address.port };
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

it('takes the preferred port and says nothing when it is free', async () => {
  const said: string[] = [];
  const preferred = await findFreePort({ name: 'API', preferred: 0 });

  const port = await findFreePort({ name: 'API', preferred, say: (line) => said.push(line) });

  expect(port).toBe(preferred);
  expect(said).toEqual([]);
});

it('moves to a later port and says so when the preferred one is busy', async () => {
  const said: string[] = [];
  const busy = await listen(0);

  const port = await findFreePort({ name: 'API', preferred: busy.port, say: (line) => said.push(line) });
  await close(busy.server);

  expect(port).toBeGreaterThan(busy.port);
  expect(said).toEqual([`Port ${busy.port} is busy: API uses ${port}.`]);
});

it('passes over a port that is promised to another part', async () => {
  const preferred = await findFreePort({ name: 'API', preferred: 0 });

  const port = await findFreePort({ name: 'API', preferred, taken: new Set([preferred]) });

  expect(port).toBeGreaterThan(preferred);
});

it('refuses an address that this machine does not have', async () => {
  const refused = findFreePort({ name: 'API', preferred: 3000, host: '192.0.2.1' });

  await expect(refused).rejects.toMatchObject({ code: 'invalid_config' });
});
