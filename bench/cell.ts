import { setTimeout as delay } from 'node:timers/promises';
import type { Arm, RunningArm } from './arms/arm';
import { findWrongs, readEvidence, type Evidence, type Wrongs } from './audit';
import { cpuPerOrder, readCommits, readCpu, type CpuTimes } from './counters';
import type { Load } from './loads';
import { spreadOf, type Spread } from './quantiles';
import type { Ask } from './rig/load';
import type { Place, Rig } from './rig/rig';

/** Figures of one arm under one load. */
export interface Figures extends Wrongs {
  orders: number;
  /** Answers other than 201. */
  refused: number;
  acceptedPerSecond: number;
  /** 201, published, notified and recorded, from the first request to the last record. */
  completedPerSecond: number;
  /** From the POST (open loop: from when it was due) to the 201. Milliseconds. */
  answeredMs: Spread;
  /** From the commit to the arrival at the provider. Milliseconds. */
  notifiedMs: Spread;
  cpuMsPerOrder: CpuTimes;
  /** All of the cell's commits over all of its orders, the warm-up's too. */
  commitsPerOrder: { application: number; temporal: number };
  historyEventsPerOrder: number;
}

export interface CellOptions {
  seconds: number;
  warmUpSeconds: number;
  /** False leaves out what makes counts of commits exact and costs 11 s. */
  settle: boolean;
}

/** Without any progress for so long, what is missing counts as lost. */
const STALLED_MS = 60_000;
const POLL_MS = 50;

/** Starts the arm on a database of its own, warms it up, measures, lets it finish, and checks what it did. */
export async function measureCell(rig: Rig, arm: Arm, load: Load, options: CellOptions): Promise<Figures> {
  const place = await rig.place(arm, options);
  try {
    const historyBefore = (await place.temporal?.historyEvents()) ?? 0;
    const commitsBefore = await readCommits(rig, place);
    const running = await arm.start(place);
    let measured: Measured;
    try {
      measured = await measure({ rig, place, arm, running, load, options });
    } finally {
      await running.stop();
      await place.stopTemporal();
    }
    const orders = measured.asks.filter(({ status }) => status === 201).length + measured.warmUpOrders;
    const commits = await readCommits(rig, place);
    const history = (await place.temporal?.historyEvents()) ?? 0;
    return {
      ...figuresOf(measured),
      commitsPerOrder: {
        application: (commits.application - commitsBefore.application) / orders,
        temporal: (commits.temporal - commitsBefore.temporal) / orders,
      },
      historyEventsPerOrder: (history - historyBefore) / orders,
    };
  } finally {
    await place.stopTemporal();
    await place.forget();
  }
}

interface Measuring {
  rig: Rig;
  place: Place;
  arm: Arm;
  running: RunningArm;
  load: Load;
  options: CellOptions;
}

interface Measured {
  /** Of the measured time. */
  asks: Ask[];
  warmUpOrders: number;
  lastRecordAt: number;
  cpu: CpuTimes;
  evidence: Evidence;
  wrongs: Wrongs;
}

async function measure(measuring: Measuring): Promise<Measured> {
  const { rig, place, running, load, options } = measuring;
  const { url, others = [] } = running;
  await rig.receivers.reset();
  const warmUp = await rig.load.run({ url, others, load, seconds: options.warmUpSeconds });
  if (acceptedOf(warmUp) === 0) throw new Error(noneAccepted(warmUp, running));
  await untilRecorded(measuring, acceptedOf(warmUp));
  // Each cell begins with the same amount of log to write.
  await rig.postgres.query('checkpoint');
  const cpuBefore = readCpu(rig, place, running);
  const asks = await rig.load.run({ url, others, load, seconds: options.seconds });
  const accepted = acceptedOf(asks);
  const lastRecordAt = await untilRecorded(measuring, acceptedOf(warmUp) + accepted);
  const cpu = cpuPerOrder(cpuBefore, readCpu(rig, place, running), accepted);
  const evidence = await readEvidence(rig, place, measuring.arm);
  const wrongs = findWrongs([...warmUp, ...asks], evidence);
  return { asks, warmUpOrders: acceptedOf(warmUp), lastRecordAt, cpu, evidence, wrongs };
}

function noneAccepted(asks: readonly Ask[], { nodes, engines }: RunningArm): string {
  const statuses = [...new Set(asks.map(({ status }) => status))].join(', ');
  const logs = [...nodes, ...engines].map((child) => `${child.name}:\n${child.lastLines()}`).join('\n');
  return `no order was accepted; answers: ${statuses}\n${logs}`;
}

function acceptedOf(asks: readonly Ask[]): number {
  return asks.filter(({ status }) => status === 201).length;
}

/**
 * Waits until so many orders are recorded. The receivers are asked first, who cost the arm nothing; the database only
 * once all has come.
 * @returns when that was seen, milliseconds since 1970; also when nothing moved any more
 */
async function untilRecorded({ rig, place, arm }: Measuring, orders: number): Promise<number> {
  let progress = -1;
  let movedAt = Date.now();
  for (;;) {
    const { events, messages } = await rig.receivers.counts();
    const all = events >= orders && messages >= orders;
    const recorded = all || Date.now() - movedAt > STALLED_MS / 2 ? await recordedOrders(rig, place, arm) : 0;
    if (recorded >= orders) return Date.now();
    if (events + messages + recorded > progress) {
      progress = events + messages + recorded;
      movedAt = Date.now();
    } else if (Date.now() - movedAt > STALLED_MS) {
      return movedAt;
    }
    await delay(POLL_MS);
  }
}

async function recordedOrders(rig: Rig, place: Place, { books }: Arm): Promise<number> {
  const [row] = await rig.postgres.query<{ recorded: number }>(books.recordedSql, [], place.database);
  return row?.recorded ?? 0;
}

type CountedFigures = Omit<Figures, 'commitsPerOrder' | 'historyEventsPerOrder'>;

function figuresOf({ asks, lastRecordAt, cpu, evidence, wrongs }: Measured): CountedFigures {
  const accepted = asks.filter(({ status }) => status === 201);
  const firstAt = Math.min(...bounds(asks.map(({ dueAt }) => dueAt)));
  const lastAnswerAt = Math.max(...bounds(asks.map(({ answeredAt }) => answeredAt)));
  return {
    orders: accepted.length,
    refused: asks.length - accepted.length,
    acceptedPerSecond: (accepted.length * 1_000) / (lastAnswerAt - firstAt),
    completedPerSecond: ((accepted.length - wrongs.lost) * 1_000) / (lastRecordAt - firstAt),
    answeredMs: spreadOf(accepted.map(({ dueAt, answeredAt }) => answeredAt - dueAt)),
    notifiedMs: spreadOf(notifiedMs(accepted, evidence)),
    cpuMsPerOrder: cpu,
    ...wrongs,
  };
}

/** Smallest and largest: a call takes only so many arguments. */
function bounds(numbers: readonly number[]): [number, number] {
  return numbers.reduce(
    ([least, most], one) => [Math.min(least, one), Math.max(most, one)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

/** By the message's sid: the database says whose it is, the provider when it came. */
function notifiedMs(accepted: readonly Ask[], { orders, receipts }: Evidence): number[] {
  const measured = new Set(accepted.map(({ orderId }) => orderId));
  const arrivals = new Map(receipts.messages.map(({ sid, at }) => [sid, at]));
  return orders.flatMap(({ order_id, committed_at, sid }) => {
    const at = sid === null || !measured.has(order_id) ? undefined : arrivals.get(sid);
    return at === undefined ? [] : [at - committed_at];
  });
}
