import { parseArgs } from 'node:util';
import { ALL_ARMS, ARMS } from './arms';
import type { Arm } from './arms/arm';
import { LOADS, type Load } from './loads';
import { SCENARIOS } from './scenarios';
import type { Scenario } from './scenarios/scenario';

/** What is to be measured. */
export interface BenchOptions {
  arms: Arm[];
  loads: Load[];
  scenarios: Scenario[];
  seconds: number;
  warmUpSeconds: number;
  /** Each arm so often, in turns. */
  pairs: number;
  quick: boolean;
  results: string;
}

const SECONDS_DEFAULT = 20;
const WARM_UP_SECONDS_DEFAULT = 8;
const QUICK_SECONDS = 3;
const QUICK_WARM_UP_SECONDS = 2;

/**
 * Reads the command line: names of arms, loads and scenarios, in any order. Arms without a load are measured under every
 * load, loads without an arm on every arm, and no names at all are the whole table.
 * @throws Error that lists what there is, for a name that is nothing
 */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      pairs: { type: 'string', default: '1' },
      quick: { type: 'boolean', default: false },
      results: { type: 'string', default: 'table' },
    },
  });
  const { quick } = values;
  const arms = ALL_ARMS.filter(({ name }) => positionals.includes(name));
  const loads = LOADS.filter(({ name }) => positionals.includes(name));
  const scenarios = SCENARIOS.filter(({ name }) => positionals.includes(name));
  const known = new Set([...ALL_ARMS, ...LOADS, ...SCENARIOS].map(({ name }) => name));
  const unknown = positionals.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new Error(`There is no ${unknown.join(', ')}. There is: ${[...known].join(', ')}.`);
  const wantsCells = scenarios.length === 0 || arms.length + loads.length > 0;
  return {
    arms: !wantsCells ? [] : arms.length > 0 ? arms : [...ARMS],
    loads: loads.length > 0 ? loads : [...LOADS],
    scenarios,
    seconds: wholeNumber(values.seconds, quick ? QUICK_SECONDS : SECONDS_DEFAULT),
    warmUpSeconds: wholeNumber(values['warm-up'], quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS_DEFAULT),
    pairs: wholeNumber(values.pairs, 1),
    quick,
    results: values.results,
  };
}

function wholeNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new Error(`${text} is not a whole number of 1 to 99999.`);
  return Number(text);
}
