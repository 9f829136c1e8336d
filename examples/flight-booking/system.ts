import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import type { Service } from '../service';

/** Lets plain Node run these files. In a project of your own they are compiled. */
const REGISTER = path.join(__dirname, '../../bench/patterns.register.cjs');
const NAME = 'flight-payments';

export interface FlightSystem {
  bookingsUrl: string;
  paymentsUrl: string;
  /** kill -9, then nobody listens there. */
  killPayments(): Promise<void>;
  startPayments(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts both services beside a running aftercommit, and has the bus send the one's events to the other. */
export async function startFlightSystem(service: Omit<Service, 'stop'>): Promise<FlightSystem> {
  const [bookingsPort, paymentsPort] = [await freePort(), await freePort()];
  const [bookingsUrl, paymentsUrl] = [bookingsPort, paymentsPort].map((port) => `http://127.0.0.1:${port}`);
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const shared = { DATABASE_URL: service.databaseUrl, TEMPORAL_ADDRESS: service.temporalAddress };
  let payments: ChildProcess | null = null;
  const startPayments = async (): Promise<void> => {
    const settings = { ...shared, PORT: String(paymentsPort), WEBHOOK_SECRET: secret };
    payments = await startProcess('payment-service.ts', settings);
  };
  const bookings = startProcess('booking-service.ts', {
    ...shared,
    PORT: String(bookingsPort),
    PAYMENTS_URL: paymentsUrl!,
  });
  const stop = async (): Promise<void> => {
    await Promise.all([end(payments, 'SIGTERM'), bookings.then((child) => end(child, 'SIGTERM'))]);
  };
  try {
    await Promise.all([
      startPayments(),
      bookings,
      connect(service.apiUrl, { paymentsUrl: paymentsUrl!, secret }),
    ]);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return {
    bookingsUrl: bookingsUrl!,
    paymentsUrl: paymentsUrl!,
    killPayments: () => end(payments, 'SIGKILL'),
    startPayments,
    stop,
  };
}

/** Every event of the bookings goes to the payment service, signed, in the order of each booking. */
async function connect(
  apiUrl: string,
  { paymentsUrl, secret }: { paymentsUrl: string; secret: string },
): Promise<void> {
  await put(`${apiUrl}/v1/connections/${NAME}`, { kind: 'webhook_secret', secret });
  await put(`${apiUrl}/v1/targets/${NAME}`, { kind: 'http', url: `${paymentsUrl}/events`, signature: NAME });
  await put(`${apiUrl}/v1/rules/${NAME}`, { pattern: { source: ['flights'] }, targets: [{ target: NAME }] });
}

async function put(url: string, body: object): Promise<void> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
}

/** Resolves when it says that it is ready. */
async function startProcess(file: string, settings: Record<string, string>): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-r', REGISTER, path.join(__dirname, file)], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const read = (piece: Buffer): void => {
      output += piece.toString();
      if (output.includes('is ready at')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`${file} ended:\n${output}`)));
  });
  return child;
}

async function end(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
