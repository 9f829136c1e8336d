import type { ManagedProcess } from '../../src/dev/processes';
import type { Books } from './books';

/** Where an arm finds what it works with. */
export interface ArmPlaces {
  databaseUrl: string;
  /** Null for an arm that needs no Temporal. */
  temporalAddress: string | null;
  sinkUrl: string;
  twilioUrl: string;
  /** For logs and files of its processes. */
  directory: string;
}

/** An arm that takes orders. */
export interface RunningArm {
  /** Of its API. */
  url: string;
  /** Further APIs of it, when it is several; orders go to all of them in turn. */
  others?: readonly string[];
  /** Its own processes: their CPU time is `node`. */
  nodes: ManagedProcess[];
  /** What it brings besides, but for Temporal: their CPU time is `engine`. */
  engines: ManagedProcess[];
  /** Ends the processes, the engines last. */
  stop(): Promise<void>;
}

/** One way of doing the work. */
export interface Arm {
  name: string;
  /** For the table's reader. */
  title: string;
  needsTemporal: boolean;
  books: Books;
  /** Why it cannot be run here; null when it can. */
  unavailable(): string | null;
  /** Starts its processes and resolves when an order could be placed. */
  start(places: ArmPlaces): Promise<RunningArm>;
}
