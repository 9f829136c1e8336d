import { processEnvironment, readConfig } from '../config';
import { runMain } from '../main';
import { setUpTemporal } from '../setup';

/** Makes what Temporal must have: namespace, search attributes, schedules. Safe to repeat. */
async function main(): Promise<void> {
  const lines = await setUpTemporal(readConfig(processEnvironment()));
  process.stdout.write(`${lines.join('\n')}\n`);
}

runMain(main);
