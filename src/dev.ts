import path from 'node:path';
import { parseArgs } from 'node:util';
import { processEnvironment } from './config';
import { setting } from './dev/cache';
import { removeData } from './dev/parts';
import { curlLine, stockSample, tellSampleOrder } from './dev/story';
import { startSystem, type System } from './dev/system';
import { EXIT, runMain } from './main';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** `npm start`: the whole system in one command, on embedded parts where the environment names none. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { fresh: { type: 'boolean', default: false } } });
  const environment = processEnvironment();
  const dataDirectory = path.resolve(setting(environment, 'AFTERCOMMIT_DATA_DIR') ?? '.data');
  const stopAsked = untilStopAsked();
  if (values.fresh) await removeData(dataDirectory);

  say('Starting PostgreSQL, Temporal and the simulated providers …');
  const system = await startSystem({ environment, dataDirectory, programs: __dirname, say });
  let exitCode: number = EXIT.ok;
  try {
    await Promise.race([show(system), stopAsked, system.firstToEnd]);
    const name = await Promise.race([stopAsked.then(() => null), system.firstToEnd]);
    if (name !== null) {
      say(`${name} ended by itself. Its log is in ${dataDirectory}.`);
      exitCode = EXIT.failure;
    }
  } finally {
    say('Stopping …');
    await system.stop();
  }
  say('Stopped. The data is kept; npm start goes on with it, npm start -- --fresh begins anew.');
  process.exit(exitCode);
}

/** Prints where everything is, and one order's story when no real system would be touched. */
async function show({ url, parts, ready }: System): Promise<void> {
  await ready;
  say('');
  for (const [name, place] of parts.places) say(`${name.padEnd(14)} ${place}`);
  say('');
  if (parts.allEmbedded) {
    await stockSample(url);
    await tellSampleOrder(url, say);
    say('');
  }
  say('Place an order yourself:');
  say(`  ${curlLine(url)}`);
  say('');
  say('Ctrl-C stops everything.');
}

function untilStopAsked(): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGINT', () => resolve());
    process.on('SIGTERM', () => resolve());
  });
}

runMain(main);
