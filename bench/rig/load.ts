import type { Load } from '../loads';
import { startProgram } from './child-program';

/** One order that was asked for. Times are milliseconds since 1970. */
export interface Ask {
  key: string;
  sku: string;
  /** When it was due: latencies count from here, so that a late start is part of them. */
  dueAt: number;
  answeredAt: number;
  /** Of the answer; 0 when there was none. */
  status: number;
  /** Of an answer of 201. */
  orderId: string;
}

export interface LoadOrder {
  url: string;
  /** Orders go to these too, in turn. */
  others?: readonly string[];
  load: Load;
  seconds: number;
  /** More than the service takes of one caller: answers 429 and 503 are asked again under the same key. */
  repeatRefused?: boolean;
}

export interface LoadAnswer {
  asks: Ask[];
}

/** Asks for orders, in a process of its own. */
export interface LoadGenerator {
  /** Resolves once the last of them is answered. */
  run(order: LoadOrder): Promise<Ask[]>;
  stop(): Promise<void>;
}

export function startLoadGenerator(): LoadGenerator {
  const program = startProgram<LoadOrder, LoadAnswer>('load-program.ts');
  return {
    run: async (order) => (await program.ask(order)).asks,
    stop: () => program.stop(),
  };
}
