import type { Rig } from '../rig/rig';

/** A measurement of its own beside the table. */
export interface Scenario {
  name: string;
  title: string;
  /** @returns figures, by their name */
  run(rig: Rig, options: ScenarioOptions): Promise<Record<string, unknown>>;
}

export interface ScenarioOptions {
  /** A smoke test: little of everything, and figures that mean nothing. */
  quick: boolean;
}
