import { installPeers } from './arms/install-peers';
import { measureCell } from './cell';
import type { Load } from './loads';
import { readOptions, type BenchOptions } from './options';
import { chartOf } from './report/chart';
import { describeSurroundings, type Surroundings } from './report/machine';
import {
  mergeCell,
  mergeScenario,
  readResults,
  resultsFile,
  writeResult,
  type CellResult,
  type Results,
} from './report/results';
import { ratiosOf, shown, tablesOf } from './report/table';
import { startRig, type Rig } from './rig/rig';

/** `npm run bench`: docs/benchmarks.md. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const results = readResults(options.results);
  if (options.arms.length > 0) await installPeers();
  const rig = await startRig();
  // Its processes end with us in any case; its files only so.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void rig.stop().finally(() => process.exit(1)));
  try {
    const surroundings = await describeSurroundings(rig.postgres);
    if (options.arms.length > 0) {
      for (const load of options.loads) await measureLoad({ rig, load, options, results, surroundings });
    }
    for (const scenario of options.scenarios) {
      say(`${scenario.name}: ${scenario.title} …`);
      const figures = await scenario.run(rig, options);
      say(JSON.stringify(figures, null, 2));
      mergeScenario(results, { ...surroundings, scenario: scenario.name, figures });
      await write(options, results);
    }
  } finally {
    await rig.stop();
  }
  say(`\n${tablesOf(results)}`);
  say(`Written: ${['json', 'md', 'svg'].map((ending) => resultsFile(options.results, ending)).join(', ')}`);
}

/** All arms in turns, round by round, so that whatever else the machine does meets them alike. */
async function measureLoad(parts: {
  rig: Rig;
  load: Load;
  options: BenchOptions;
  results: Results;
  surroundings: Surroundings;
}): Promise<void> {
  const { rig, load, options, results, surroundings } = parts;
  const cells = options.arms.map((arm): CellResult => {
    const notRun = arm.unavailable();
    const cell = { ...surroundings, arm: arm.name, load: load.name, seconds: options.seconds, rounds: [] };
    return notRun === null ? cell : { ...cell, notRun };
  });
  for (let round = 1; round <= options.pairs; round += 1) {
    for (const [index, arm] of options.arms.entries()) {
      const cell = cells[index]!;
      if (cell.notRun !== undefined) continue;
      try {
        const figures = await measureCell(rig, arm, load, { ...options, settle: !options.quick });
        cell.rounds.push(figures);
        say(
          `${load.name} ${round}/${options.pairs} ${arm.name}: ${shown(figures.completedPerSecond)} completed/s, ` +
            `201 p50 ${shown(figures.answeredMs.p50)} ms, commit→notified p50 ${shown(figures.notifiedMs.p50)} ms, ` +
            `lost ${figures.lost}, duplicated ${figures.duplicated}, oversold ${figures.oversold}`,
        );
      } catch (error) {
        cell.notRun = error instanceof Error ? error.message : String(error);
        say(`${load.name} ${arm.name}: not run: ${cell.notRun}`);
      }
      mergeCell(results, cell);
      await write(options, results);
    }
  }
  for (const cell of cells) mergeCell(results, cell);
  await write(options, results);
  const ratios = ratiosOf(cells);
  if (ratios !== '') say(`\n${ratios}\n`);
}

/** After each cell, so that nothing is lost when a later one is given up. */
async function write({ results: name }: BenchOptions, results: Results): Promise<void> {
  await writeResult(name, 'json', JSON.stringify(results));
  await writeResult(name, 'md', tablesOf(results));
  await writeResult(name, 'svg', chartOf(results));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
