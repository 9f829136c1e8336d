import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Where a running aftercommit is. */
export interface Service {
  apiUrl: string;
  databaseUrl: string;
  temporalAddress: string;
  stop(): Promise<void>;
}

/** What `npm start` prints before its closing line, which comes when an order could be placed. */
const PLACES = {
  apiUrl: /^API +(http\S+)/m,
  databaseUrl: /^PostgreSQL +(\S+)/m,
  temporalAddress: /^Temporal +(\S+)/m,
};
const READY = 'Ctrl-C stops everything.';
const EXIT_CODE_INTERRUPTED = 130;

/**
 * Takes the service that AFTERCOMMIT_URL, DATABASE_URL and TEMPORAL_ADDRESS name; without them starts one on throwaway
 * data, as `npm start` does.
 */
export async function openService(environment: NodeJS.ProcessEnv): Promise<Service> {
  const {
    AFTERCOMMIT_URL: apiUrl,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporalAddress,
  } = environment;
  if (apiUrl !== undefined && databaseUrl !== undefined && temporalAddress !== undefined) {
    return { apiUrl, databaseUrl, temporalAddress, stop: () => Promise.resolve() };
  }
  const directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-example-'));
  const program = path.join(path.dirname(require.resolve('aftercommit/package.json')), 'dist', 'dev.js');
  const child = spawn(process.execPath, [program], {
    env: { ...environment, AFTERCOMMIT_DATA_DIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGINT');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  // Ctrl-C reaches the service too; it stops by itself, and we stay until it has.
  process.once('SIGINT', () => void stop().finally(() => process.exit(EXIT_CODE_INTERRUPTED)));
  try {
    const text = await untilReady(child);
    const place = (name: keyof typeof PLACES): string => PLACES[name].exec(text)![1]!;
    // It prints no password; that is in its data.
    const database = new URL(place('databaseUrl'));
    database.password = readFileSync(path.join(directory, 'postgres', 'password'), 'utf8').trim();
    return {
      apiUrl: place('apiUrl'),
      databaseUrl: database.href,
      temporalAddress: place('temporalAddress'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @returns what it printed until then */
function untilReady(child: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', (piece: Buffer) => {
      text += piece.toString();
      if (text.includes(READY)) resolve(text);
    });
    child.once('exit', () => reject(new Error(`the service did not start:\n${text}`)));
  });
}
