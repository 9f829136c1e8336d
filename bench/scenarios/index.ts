import { coldStart } from './cold-start';
import { growth } from './growth';
import { kill } from './kill';
import { memory } from './memory';
import { replay } from './replay';
import type { Scenario } from './scenario';
import { soak } from './soak';

/** In the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [growth, replay, memory, coldStart, soak, kill];
