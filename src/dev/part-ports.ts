import { setting, type Environment } from './cache';
import { findFreePort } from './ports';

/** Of each part, its name for people. */
const NAMES = {
  api: 'API',
  temporal: 'Temporal',
  webUi: 'Web UI',
  metrics: 'worker metrics',
  postgres: 'PostgreSQL',
  twilio: 'fake Twilio',
  payments: 'fake payments',
  carrier: 'fake carrier',
  points: 'fake points',
  cart: 'fake cart',
};

export type Ports = Record<keyof typeof NAMES, number>;

/** Source: the HTTP contract, "Access", ports. */
const PORTS: Ports = {
  api: 3000,
  temporal: 7233,
  webUi: 8233,
  metrics: 9464,
  postgres: 54329,
  twilio: 4010,
  payments: 4011,
  carrier: 4013,
  points: 4014,
  cart: 4015,
};

/** The usual port of each part, or else the next free one, which is said. */
export async function choosePorts(options: {
  environment: Environment;
  say: (line: string) => void;
  ports?: Partial<Ports>;
}): Promise<Ports> {
  const { environment, say } = options;
  const taken = new Set<number>();
  const ports = { ...PORTS, ...options.ports };
  ports.api = Number(setting(environment, 'PORT') ?? ports.api);
  for (const part of Object.keys(PORTS) as (keyof Ports)[]) {
    ports[part] = await findFreePort({ name: NAMES[part], preferred: ports[part], taken, say });
    taken.add(ports[part]);
  }
  return ports;
}
