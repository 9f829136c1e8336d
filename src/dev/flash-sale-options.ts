import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ConfigError } from '../errors';

/** What the demo sells to whom. */
export interface FlashSaleOptions {
  buyers: number;
  units: number;
  /** Decides who comes when, who pays, and when what is killed. */
  seed: number;
  /** The report goes to standard output as JSON, and all else to standard error. */
  json: boolean;
}

/** Source: the task of the demo, 500 units for 5,000 buyers. */
const DEFAULTS = { buyers: 5_000, units: 500 };
/** One Node process plays them all; more would be a test of that process. */
const BUYERS_MAX = 20_000;
/** A payment costs a workflow: more would take longer than anybody watches. */
const UNITS_MAX = 2_000;
/** Fewer, and kills "in the middle" have no middle. */
const UNITS_MIN = 20;
/** Three buyers of ten do not pay in the end: with fewer buyers units could be left over, and "all sold" would be luck. */
const BUYERS_PER_UNIT_MIN = 3;
const SEED_MAX = 2 ** 31;

/** @throws ConfigError */
export function readFlashSaleOptions(args: string[]): FlashSaleOptions {
  const { values } = parsed(args);
  const units = numberOf('units', values.units ?? String(DEFAULTS.units), UNITS_MIN, UNITS_MAX);
  const buyersMin = units * BUYERS_PER_UNIT_MIN;
  const buyers = numberOf('buyers', values.buyers ?? String(DEFAULTS.buyers), buyersMin, BUYERS_MAX);
  const seed = numberOf('seed', values.seed ?? String(randomInt(SEED_MAX)), 0, SEED_MAX);
  return { buyers, units, seed, json: values.json };
}

function parsed(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      options: { buyers: text, units: text, seed: text, json: { type: 'boolean', default: false } },
    });
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(name: string, given: string, least: number, most: number): number {
  const value = Number(given);
  if (/^\d+$/.test(given) && value >= least && value <= most) return value;
  throw new ConfigError(`--${name} must be a whole number from ${least} to ${most}.`);
}
