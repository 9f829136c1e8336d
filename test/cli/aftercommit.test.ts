import { findFreePort } from '../../src/dev/ports';
import { runCli } from '../recon/cli';

/** What the commands do on a running system is shown by `npm run test:recon`. */

let nowhere: Parameters<typeof runCli>[0];
beforeAll(async () => {
  const port = await findFreePort({ name: 'nobody', preferred: 0 });
  nowhere = {
    database: { url: `postgres://nobody@127.0.0.1:${port}/none` },
    temporalServer: { address: `127.0.0.1:${port}` },
    fakeUrls: { twilio: `http://127.0.0.1:${port}`, payments: `http://127.0.0.1:${port}` },
  } as Parameters<typeof runCli>[0];
});

it.each([[[]], [['--help']]])('tells what there is: %j', async (args) => {
  const { code, stdout } = await runCli(nowhere, args);

  expect(code).toBe(0);
  expect(stdout).toContain('aftercommit orders rebuild');
});

it.each([
  ['a command that there is not', ['orders', 'destroy']],
  ['an option that there is not', ['reconcile', '--repair']],
  ['a kind that there is not', ['reconcile', '--kind', 'rebuild']],
])('refuses %s with exit code 2', async (_what, args) => {
  const { code, stdout, stderr } = await runCli(nowhere, args);

  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toBe('');
});

it.each([[['reconcile']], [['orders', 'rebuild']]])(
  'ends with exit code 3 when Temporal cannot be reached: %j',
  async (args) => {
    expect(await runCli(nowhere, args)).toMatchObject({ code: 3, stdout: '' });
  },
);
