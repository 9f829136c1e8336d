import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseFakeArguments } from '../../src/dev/fake-command';
import { FAKE_CARRIER } from '../../src/dev/fake-carrier';
import { FAKE_POINTS } from '../../src/dev/fake-points';

describe('arguments of a fake that tells by webhooks', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-fake-'));
  const file = path.join(directory, 'secrets');
  afterAll(() => rmSync(directory, { recursive: true }));

  it('say where they go, and the file that its secrets are in', () => {
    writeFileSync(file, 'whsec_new\nwhsec_old\n');
    const url = 'http://127.0.0.1:3000/webhooks/carrier';

    const parsed = parseFakeArguments(
      ['--log', 'x', '--webhook-url', url, '--webhook-secrets', file],
      FAKE_CARRIER,
    );

    expect(parsed).toMatchObject({ webhookUrl: url, webhookSecrets: ['whsec_new', 'whsec_old'] });
  });

  it('may leave both out', () => {
    const parsed = parseFakeArguments(['--log', 'x'], FAKE_CARRIER);

    expect(parsed).toEqual({ port: 4013, logFile: 'x', host: '127.0.0.1', numbers: {} });
  });

  it.each([
    ['no URL', ['--webhook-url', 'api'], FAKE_CARRIER, /--webhook-url must be a URL/],
    ['a file that is not there', ['--webhook-secrets', '/nowhere'], FAKE_CARRIER, /ENOENT/],
    ['a fake that tells nothing', ['--webhook-url', 'http://127.0.0.1/'], FAKE_POINTS, /webhook-url/],
  ])('are refused with %s', (_what, args, command, message) => {
    expect(() => parseFakeArguments(['--log', 'x', ...args], command)).toThrow(message);
  });
});
