import type { RunningArm } from './arms/arm';
import type { Place, Rig } from './rig/rig';
import { cpuMsOf } from './rig/process-times';

/** CPU time of the groups of processes, in milliseconds. Load generator, sink and fake provider are in none of them. */
export interface CpuTimes {
  node: number;
  /** The whole server: Temporal's databases are served by it too. */
  postgres: number;
  /** Temporal, or whatever else the arm brings. */
  engine: number;
}

export function readCpu(rig: Rig, place: Place, arm: RunningArm): CpuTimes {
  const engines = arm.engines.map(({ pid }) => pid);
  return {
    node: cpuMsOf(arm.nodes.map(({ pid }) => pid)),
    postgres: cpuMsOf([rig.postgres.pid()]),
    engine: cpuMsOf(place.temporal === null ? engines : [...engines, place.temporal.pid]),
  };
}

export function cpuPerOrder(before: CpuTimes, after: CpuTimes, orders: number): CpuTimes {
  return {
    node: (after.node - before.node) / orders,
    postgres: (after.postgres - before.postgres) / orders,
    engine: (after.engine - before.engine) / orders,
  };
}

/** Commits so far in the arm's own database and in Temporal's. */
export interface Commits {
  application: number;
  temporal: number;
}

/** Exact only once the backends are gone or have been idle for 10 s: until then they keep their counts to themselves. */
export async function readCommits({ postgres }: Rig, place: Place): Promise<Commits> {
  const count = async (databases: readonly string[]): Promise<number> => {
    const [row] = await postgres.query<{ commits: number }>(
      'select coalesce(sum(xact_commit), 0)::float8 as commits from pg_stat_database where datname = any($1)',
      [databases],
    );
    return row?.commits ?? 0;
  };
  return {
    application: await count([place.database]),
    temporal: await count(place.temporal?.databases ?? []),
  };
}
