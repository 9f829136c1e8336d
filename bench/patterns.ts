import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createRouter, type Router } from '../src/bus/route';
import type { EventEnvelope } from '../src/domain/events';
import { EVENT_RULER_VERSION, installEventRuler } from '../test/patterns/event-ruler';
import { rulesOf, workloads, type Workload } from './patterns-workload';

/**
 * Events matched per second against 1, 100 and 1,000 rules: our router beside AWS's event-ruler, each in its own loop
 * on one thread, in turns, so that whatever else the machine does meets both. `text` begins with the event's JSON,
 * `tree` with the parsed event.
 */

const ROUNDS = 5;
const WARM_UP_MS = 1_000;
const MEASURE_MS = 700;
const FORMS = ['text', 'tree'] as const;
type Form = (typeof FORMS)[number];

/** Events and matches of one stretch of time. */
interface Stretch {
  events: number;
  ms: number;
  matches: number;
}

/** Something that is measured. */
interface Contestant {
  name: string;
  load(workload: Workload): Promise<void>;
  measure(form: Form, measureMs: number): Promise<Stretch>;
}

function ourRouter(): Contestant {
  let router: Router;
  let events: readonly EventEnvelope[] = [];
  let texts: readonly string[] = [];
  const matchesOf = (form: Form, index: number): number =>
    router.route(form === 'text' ? (JSON.parse(texts[index]!) as EventEnvelope) : events[index]!).length;
  return {
    name: 'aftercommit',
    load(workload) {
      router = createRouter(rulesOf(workload));
      events = workload.events as readonly EventEnvelope[];
      texts = events.map((event) => JSON.stringify(event));
      return Promise.resolve();
    },
    measure(form, measureMs) {
      const start = performance.now();
      let [now, count, matches] = [start, 0, 0];
      while (now < start + measureMs) {
        for (let index = 0; index < events.length; index += 1) matches += matchesOf(form, index);
        count += events.length;
        now = performance.now();
      }
      return Promise.resolve({ events: count, ms: now - start, matches });
    },
  };
}

async function eventRuler(): Promise<Contestant & { stop(): void }> {
  const program = await installEventRuler(process.env);
  const child = spawn(program, [path.join(__dirname, 'patterns-event-ruler.java')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (order: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(order)}\n`);
    const line = await lines.next();
    if (line.done === true) throw new Error('event-ruler has ended.');
    return JSON.parse(line.value) as unknown;
  };
  return {
    name: `event-ruler ${EVENT_RULER_VERSION}`,
    async load({ patterns, events }) {
      await ask({
        patterns: patterns.map((pattern) => JSON.stringify(pattern)),
        events: events.map((event) => JSON.stringify(event)),
      });
    },
    measure: async (form, measureMs) => (await ask({ measureMs, from: form })) as Stretch,
    stop: () => child.stdin.end(),
  };
}

/** One row of the table. */
interface Row {
  workload: string;
  rules: number;
  form: Form;
  contestant: string;
  /** Median of the rounds. */
  eventsPerSecond: number;
  slowest: number;
  fastest: number;
  matchesPerEvent: number;
}

async function measureWorkload(workload: Workload, contestants: readonly Contestant[]): Promise<Row[]> {
  for (const contestant of contestants) {
    await contestant.load(workload);
    for (const form of FORMS) await contestant.measure(form, WARM_UP_MS);
  }
  const rows = new Map<
    string,
    { row: Omit<Row, 'eventsPerSecond' | 'slowest' | 'fastest'>; rates: number[] }
  >();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const form of FORMS) {
      for (const contestant of contestants) {
        const { events, ms, matches } = await contestant.measure(form, MEASURE_MS);
        const key = `${form} ${contestant.name}`;
        const row = {
          workload: workload.name,
          rules: workload.patterns.length,
          form,
          contestant: contestant.name,
          matchesPerEvent: matches / events,
        };
        rows.set(key, { row, rates: [...(rows.get(key)?.rates ?? []), (1_000 * events) / ms] });
      }
    }
  }
  return [...rows.values()].map(({ row, rates }) => ({ ...row, ...summaryOf(rates) }));
}

function summaryOf(rates: number[]): Pick<Row, 'eventsPerSecond' | 'slowest' | 'fastest'> {
  const sorted = rates.map(Math.round).sort((left, right) => left - right);
  return {
    eventsPerSecond: sorted[Math.floor(sorted.length / 2)] ?? 0,
    slowest: sorted[0] ?? 0,
    fastest: sorted.at(-1) ?? 0,
  };
}

/** Both must have found the same: a fast matcher that misses is worth nothing. */
function checkSameMatches(rows: readonly Row[]): void {
  for (const form of FORMS) {
    const found = new Set(
      rows.filter((row) => row.form === form).map(({ matchesPerEvent }) => matchesPerEvent),
    );
    if (found.size !== 1) throw new Error(`Matches per event differ: ${[...found].join(', ')}.`);
  }
}

async function main(): Promise<void> {
  const theirs = await eventRuler();
  const rows: Row[] = [];
  try {
    for (const workload of workloads()) {
      const measured = await measureWorkload(workload, [ourRouter(), theirs]);
      checkSameMatches(measured);
      rows.push(...measured);
    }
  } finally {
    theirs.stop();
  }
  console.table(rows);
  const results = path.join(__dirname, 'results');
  mkdirSync(results, { recursive: true });
  const machine = { cores: cpus().length, processor: cpus()[0]?.model, node: process.version };
  const at = new Date().toISOString();
  writeFileSync(
    path.join(results, 'patterns.json'),
    `${JSON.stringify({ at, machine, rounds: ROUNDS, measureMs: MEASURE_MS, rows }, null, 2)}\n`,
  );
}

void main();
