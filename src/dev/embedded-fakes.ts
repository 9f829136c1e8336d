import path from 'node:path';
import { webhookSecret } from './kept-secrets';
import { has, type PartsOptions, type Started } from './part';
import type { Ports } from './part-ports';
import { startProcess } from './processes';

/** Starts a part, or nothing when the environment names a real one. */
type Start = (options: PartsOptions, ports: Ports) => Promise<Started | null>;

interface Fake {
  name: string;
  program: string;
  port: number;
  /** Settings that lead API and worker to it. */
  settings: Record<string, string>;
  args?: string[];
}

const startTwilio: Start = (options, ports) => {
  if (has(options.environment, 'TWILIO_ACCOUNT_SID')) return Promise.resolve(null);
  const settings = {
    // Any account and token do for the fake; the sender is one of Twilio's magic numbers, which is valid.
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'fake',
    TWILIO_FROM: '+15005550006',
    TWILIO_WHATSAPP_FROM: '+15005550006',
    TWILIO_VOICE_FROM: '+15005550006',
    AFTERCOMMIT_TWILIO_URL: urlOf(ports.twilio),
  };
  return startFake(options, { name: 'fake Twilio', program: 'fake-twilio', port: ports.twilio, settings });
};

const startPayments: Start = (options, ports) => {
  const isReal = ['AFTERCOMMIT_PAYMENT_URL', 'STRIPE_SECRET_KEY'].some((name) =>
    has(options.environment, name),
  );
  if (isReal) return Promise.resolve(null);
  const program = 'fake-payments';
  const { secret, args } = webhooksTo('payments', program, options, ports);
  const settings = {
    AFTERCOMMIT_PAYMENT_URL: urlOf(ports.payments),
    AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: secret,
  };
  return startFake(options, { name: 'fake payments', program, port: ports.payments, settings, args });
};

const startCarrier: Start = (options, ports) => {
  if (has(options.environment, 'AFTERCOMMIT_CARRIER_URL')) return Promise.resolve(null);
  const program = 'fake-carrier';
  const { secret, args } = webhooksTo('carrier', program, options, ports);
  const settings = {
    AFTERCOMMIT_CARRIER_URL: urlOf(ports.carrier),
    AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: secret,
  };
  return startFake(options, { name: 'fake carrier', program, port: ports.carrier, settings, args });
};

const startPoints: Start = (options, ports) => {
  if (has(options.environment, 'AFTERCOMMIT_POINTS_URL')) return Promise.resolve(null);
  const settings = { AFTERCOMMIT_POINTS_URL: urlOf(ports.points) };
  return startFake(options, { name: 'fake points', program: 'fake-points', port: ports.points, settings });
};

const startCart: Start = (options, ports) => {
  if (has(options.environment, 'AFTERCOMMIT_CART_URL')) return Promise.resolve(null);
  const settings = { AFTERCOMMIT_CART_URL: urlOf(ports.cart) };
  return startFake(options, { name: 'fake cart', program: 'fake-cart', port: ports.cart, settings });
};

/** Other people's systems, simulated: each a process of its own. */
export const FAKES: readonly Start[] = [startTwilio, startPayments, startCarrier, startPoints, startCart];

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** How a fake is told where its webhooks go, and what it signs them with. */
function webhooksTo(
  route: 'payments' | 'carrier',
  program: string,
  { dataDirectory }: PartsOptions,
  ports: Ports,
): { secret: string; args: string[] } {
  const { file, secret } = webhookSecret(dataDirectory, program);
  const url = `${urlOf(ports.api)}/webhooks/${route}`;
  return { secret, args: ['--webhook-url', url, '--webhook-secrets', file] };
}

async function startFake({ dataDirectory, programs }: PartsOptions, fake: Fake): Promise<Started> {
  const { name, program, port, settings, args = [] } = fake;
  const child = await startProcess({
    name,
    command: process.execPath,
    args: [
      path.join(programs, 'dev', `${program}.js`),
      '--port',
      String(port),
      '--log',
      path.join(dataDirectory, `${program}.jsonl`),
      ...args,
    ],
    logFile: path.join(dataDirectory, `${program}.log`),
    pidFile: path.join(dataDirectory, `${program}.pid.json`),
  });
  return {
    name,
    settings,
    places: [[name, urlOf(port)]],
    process: child,
    stop: async () => void (await child.stop()),
  };
}
