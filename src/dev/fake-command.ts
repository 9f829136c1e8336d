import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { FakeServer, FakeServerOptions } from './fake-server';
import type { WebhookDestination } from './signed-webhooks';

export interface FakeCommand {
  name: string;
  defaultPort: number;
  /** Further options that take a whole number, with their defaults, such as `{ 'late-ms': 30000 }`. */
  numbers?: Record<string, number>;
  /** It tells by webhooks, so it takes `--webhook-url URL` and `--webhook-secrets FILE`, one secret on each line. */
  webhooks?: true;
}

export type FakeArguments = Required<FakeServerOptions> &
  WebhookDestination & { numbers: Record<string, number> };

const PORT_MAX = 65_535;
/** What is answered without a planned delay is done by then; planned delays may be half a minute. */
const STOP_GRACE_MS = 500;

/**
 * Reads `--port N --log FILE [--host H]` and what the command has of its own.
 * @throws TypeError naming the option that is missing, unknown or no whole number
 * @throws Error when the file with the secrets cannot be read
 */
export function parseFakeArguments(argv: string[], command: FakeCommand): FakeArguments {
  const extra = command.numbers ?? {};
  const texts = command.webhooks === true ? ['webhook-url', 'webhook-secrets'] : [];
  const { values } = parseArgs({
    args: argv,
    strict: true,
    allowPositionals: false,
    options: {
      port: { type: 'string', default: String(command.defaultPort) },
      log: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      ...Object.fromEntries(
        [...Object.keys(extra), ...texts].map((name) => [name, { type: 'string' as const }]),
      ),
    },
  }) as { values: Record<string, string | undefined> };

  if (!values['log']) throw new TypeError('--log FILE is required');
  const port = wholeNumber('port', values['port']);
  if (port > PORT_MAX) throw new TypeError(`--port must be at most ${PORT_MAX}`);
  const numbers = Object.entries(extra).map(([name, fallback]) => {
    const given = values[name];
    return [name, given === undefined ? fallback : wholeNumber(name, given)] as const;
  });
  return {
    port,
    logFile: values['log'],
    host: values['host'] ?? '127.0.0.1',
    numbers: Object.fromEntries(numbers),
    ...destinationOf(values['webhook-url'], values['webhook-secrets']),
  };
}

/** Secrets come in a file: a command line is everybody's to read. */
function destinationOf(url: string | undefined, file: string | undefined): WebhookDestination {
  if (url !== undefined && !URL.canParse(url)) throw new TypeError('--webhook-url must be a URL');
  return {
    ...(url === undefined ? {} : { webhookUrl: url }),
    ...(file === undefined ? {} : { webhookSecrets: readFileSync(file, 'utf8').trim().split(/\s+/) }),
  };
}

function wholeNumber(name: string, text: string | undefined): number {
  if (text === undefined || !/^\d{1,9}$/.test(text)) throw new TypeError(`--${name} must be a whole number`);
  return Number(text);
}

/**
 * Runs a fake as a process of its own until SIGTERM or SIGINT. Prints one line with its address on stdout once it
 * listens. Exits 2 for bad arguments, 1 when the port cannot be had.
 */
export async function runFakeCommand(
  command: FakeCommand,
  start: (parsed: FakeArguments) => Promise<FakeServer>,
): Promise<void> {
  let parsed: FakeArguments;
  try {
    parsed = parseFakeArguments(process.argv.slice(2), command);
  } catch (error) {
    console.error(`${command.name}: ${(error as Error).message}`);
    process.exit(2);
  }
  try {
    const server = await start(parsed);
    console.log(`${command.name} listening on ${server.url}`);
    const stop = (): void => {
      void server.close({ graceMs: STOP_GRACE_MS }).then(() => process.exit(0));
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  } catch (error) {
    console.error(`${command.name}: ${(error as Error).message}`);
    process.exit(1);
  }
}
