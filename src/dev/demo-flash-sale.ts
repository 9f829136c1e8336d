import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processEnvironment } from '../config';
import { EXIT, runMain } from '../main';
import { readFlashSaleOptions, type FlashSaleOptions } from './flash-sale-options';
import { exitCodeOf, linesOfReport } from './flash-sale-report';
import { openShop, type FlashSaleShop } from './flash-sale-shop';
import { sellOut, type FlashSaleOutcome } from './flash-sale-story';
import { removeData } from './parts';
import { duration } from './progress';

/**
 * `npm run demo:flash-sale`: 500 units, 5,000 buyers, three payments of ten that fail, and two processes of the service, of
 * which one is killed in the rush and one during the payments. Ends with a report of what was sold and what was lost, and
 * with exit code 8 when an invariant is broken. `-- --buyers N --units N --seed N --json`. Nothing outside of this machine is
 * called, and its data is thrown away.
 */

/** Variables of this list are all that the demo takes over: embedded parts only, for it places orders. */
const TAKEN_OVER = ['PATH', 'HOME', 'AFTERCOMMIT_CACHE_DIR', 'XDG_CACHE_HOME', 'TEMPORAL_CLI_PATH'];

async function main(): Promise<void> {
  const options = readFlashSaleOptions(process.argv.slice(2));
  const output = options.json ? process.stderr : process.stdout;
  const say = (line = ''): void => void output.write(`${line}\n`);
  const stopping = new AbortController();
  const interrupted = untilInterrupted();
  const given = processEnvironment();
  const environment = Object.fromEntries(TAKEN_OVER.map((name) => [name, given[name]]));
  const dataDirectory = mkdtempSync(path.join(tmpdir(), 'aftercommit-demo-'));
  say(`Starting the whole system on throwaway data … (--seed ${options.seed} makes the same choices again)`);
  let shop: FlashSaleShop | null = null;
  let exitCode: number = EXIT.failure;
  try {
    shop = await openShop({ environment, dataDirectory, programs: path.resolve(__dirname, '..'), say });
    say(`Two processes of the service: ${shop.doors.join(' and ')}. The Web UI: ${shop.webUi}\n`);
    const selling = sellOut(shop, options, { output, signal: stopping.signal });
    const ended = await Promise.race([selling, shop.firstToEnd, interrupted]);
    if (typeof ended === 'object') {
      exitCode = await tell(ended, options, say);
    } else {
      stopping.abort();
      await selling.catch(() => undefined);
      say(`\n${ended}: there is no report.`);
    }
  } finally {
    say('Stopping …');
    await shop?.stop();
    await removeData(dataDirectory);
  }
  process.exit(exitCode);
}

/** @returns the exit code, once everything is written */
async function tell(
  outcome: FlashSaleOutcome,
  { buyers, units, seed, json }: FlashSaleOptions,
  say: (line?: string) => void,
): Promise<number> {
  const { report, elapsedMs } = outcome;
  say(`\nReport, ${duration(elapsedMs)} after the opening, seed ${seed}:\n`);
  for (const line of linesOfReport(report)) say(line);
  const document = `${JSON.stringify({ seed, buyers, units, ...outcome }, null, 2)}\n`;
  // A pipe may take it later than we would have ended.
  if (json) await new Promise((resolve) => process.stdout.write(document, resolve));
  return exitCodeOf(report);
}

/** The first Ctrl-C ends it in order, the second one at once: then the children are told to end, and the data stays. */
function untilInterrupted(): Promise<string> {
  return new Promise((resolve) => {
    let isAsked = false;
    const stop = (): void => {
      if (isAsked) process.exit(EXIT.failure);
      isAsked = true;
      resolve('Interrupted');
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}

runMain(main);
