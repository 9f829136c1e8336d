import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { Figures } from '../cell';
import type { Surroundings } from './machine';

const DIRECTORY = path.resolve(__dirname, '../results');

/** One arm under one load: all its rounds of one run. */
export interface CellResult extends Surroundings {
  arm: string;
  load: string;
  seconds: number;
  /** In their order: the n-th of two arms make a pair. */
  rounds: Figures[];
  /** Why there are no rounds. */
  notRun?: string;
}

/** One scenario's figures. */
export interface ScenarioResult extends Surroundings {
  scenario: string;
  figures: Record<string, unknown>;
}

/** What has been measured, kept between runs, so that a cell can be measured again by itself. */
export interface Results {
  cells: CellResult[];
  scenarios: ScenarioResult[];
}

export function resultsFile(name: string, ending: string): string {
  return path.join(DIRECTORY, `${name}.${ending}`);
}

export function readResults(name: string): Results {
  const file = resultsFile(name, 'json');
  if (!existsSync(file)) return { cells: [], scenarios: [] };
  return JSON.parse(readFileSync(file, 'utf8')) as Results;
}

/** Each takes the place of an earlier one of the same arm and load. */
export function mergeCell(results: Results, cell: CellResult): void {
  results.cells = [...results.cells.filter(({ arm, load }) => arm !== cell.arm || load !== cell.load), cell];
}

export function mergeScenario(results: Results, scenario: ScenarioResult): void {
  results.scenarios = [...results.scenarios.filter((one) => one.scenario !== scenario.scenario), scenario];
}

/** As the repository has its files: they are committed, and checked like the others. */
export async function writeResult(name: string, ending: 'json' | 'md' | 'svg', text: string): Promise<void> {
  mkdirSync(DIRECTORY, { recursive: true });
  const file = resultsFile(name, ending);
  const options = await resolveConfig(file);
  writeFileSync(file, ending === 'svg' ? text : await format(text, { ...options, filepath: file }));
}
