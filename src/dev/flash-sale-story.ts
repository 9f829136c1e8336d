import { setTimeout as delay } from 'node:timers/promises';
import type { StoredEvidence } from './evidence-log';
import { readEvidence } from './evidence-log';
import { createCrowd, type Crowd } from './flash-sale-buyers';
import { chanceOf } from './flash-sale-chance';
import { createShopClient, type ShopClient } from './flash-sale-client';
import { createKiller, type Killer } from './flash-sale-kills';
import type { FlashSaleOptions } from './flash-sale-options';
import { readProgress, type Progress } from './flash-sale-progress';
import { reportOn, type FlashSaleReport } from './flash-sale-report';
import { openWaitingRoom, type SalePage, type WaitingRoom } from './flash-sale-room';
import { put, type FlashSaleShop } from './flash-sale-shop';
import { openView } from './flash-sale-view';
import type { ProgressOutput } from './progress';

const SALE = { saleId: 'flash-sale', sku: 'SALE-1' };
/**
 * Long enough for most payments of those who got a unit in the rush: on two cores five or so a second, with Temporal and all
 * simulated systems beside. Short enough to watch.
 */
const PAYMENT_DEADLINE_SECONDS = 75;
/** Nobody waits longer. Two deadlines are enough on two cores; a machine that is busy with other things needs several. */
const SALE_MAX_MS = 600_000;
/** A message whose sender was killed is taken over after 45 s at most, a payment after 15 s. */
const REST_MAX_MS = 120_000;
const PROGRESS_MS = 250;

/** What came of it. */
export interface FlashSaleOutcome {
  report: FlashSaleReport;
  /** From the opening until everything was at rest, in milliseconds. */
  elapsedMs: number;
  kills: Killer['kills'];
  answers: Record<string, number>;
  progress: Progress;
}

interface Stage {
  shop: FlashSaleShop;
  options: FlashSaleOptions;
  client: ShopClient;
  room: WaitingRoom;
  killer: Killer;
  crowd: Crowd;
  signal: AbortSignal;
}

/**
 * Opens the sale, lets the crowd in, kills, waits until everything is at rest, and checks. Bounded.
 * @param signal - ends it early
 * @throws what the signal was given, when it was
 */
export async function sellOut(
  shop: FlashSaleShop,
  options: FlashSaleOptions,
  { output, signal }: { output: ProgressOutput; signal: AbortSignal },
): Promise<FlashSaleOutcome> {
  const stage = setStage(shop, options, signal);
  const { client, room, killer, crowd } = stage;
  await openSale(stage);
  const startedAt = Date.now();
  const sight = {
    phase: 'the rush',
    progress: await readProgress(shop.pool, SALE.saleId),
    elapsedMs: 0,
  };
  const elapsed = (): number => Date.now() - startedAt;
  const view = openView(output, () => ({
    ...options,
    ...sight,
    elapsedMs: elapsed(),
    counts: crowd.counts,
    waiting: room.waiting,
    kills: killer.kills,
  }));
  const looking = new AbortController();
  const looked = look(stage, AbortSignal.any([signal, looking.signal]), (progress) => {
    sight.progress = progress;
    if (sight.phase === 'the rush' && crowd.counts.arrived === options.buyers) sight.phase = 'payments';
  });
  const live = async (): Promise<void> => {
    await Promise.all([crowd.live(), room.watch()]);
    sight.phase = 'coming to rest';
    await killer.settled();
    await untilRest(() => sight.progress, signal);
  };
  try {
    // It looks until it is told to stop, so it is first only when the signal ended it, or when it failed.
    await Promise.race([live(), looked]);
    signal.throwIfAborted();
    looking.abort();
    await looked;
    sight.phase = 'over';
    sight.progress = await readProgress(shop.pool, SALE.saleId);
  } finally {
    looking.abort();
    view.close();
    await client.close();
  }
  return { ...describe(stage, sight.progress, elapsed()), report: await reportOn(evidenceOf(stage)) };
}

function setStage(shop: FlashSaleShop, options: FlashSaleOptions, signal: AbortSignal): Stage {
  const { buyers, units, seed } = options;
  const chance = chanceOf(seed);
  const client = createShopClient(shop.doors, signal);
  const room = openWaitingRoom({
    look: async () => (await client.read(`/v1/sales/${SALE.saleId}`)) as SalePage | null,
    patienceMs: SALE_MAX_MS,
    signal,
  });
  const killer = createKiller({ units, doors: shop.doors.length, chance, strike: shop.killAndRestart });
  const crowd = createCrowd({
    ...{ buyers, chance, client, room, sale: SALE, signal },
    paymentDeadlineSeconds: PAYMENT_DEADLINE_SECONDS,
    onAccepted: (accepted) => killer.onAccepted(accepted),
  });
  return { shop, options, client, room, killer, crowd, signal };
}

async function openSale({ shop, options }: Stage): Promise<void> {
  const url = shop.doors[0]!;
  // As many as are sold, and not one more on the shelf.
  await put(`${url}/v1/inventory/${SALE.sku}`, { available: options.units });
  await put(`${url}/v1/sales/${SALE.saleId}`, {
    sku: SALE.sku,
    quantity: options.units,
    perCustomer: 1,
    paymentDeadlineSeconds: PAYMENT_DEADLINE_SECONDS,
  });
}

/** Reads how far everything is until it is told to stop. */
async function look(
  { shop, killer }: Stage,
  signal: AbortSignal,
  see: (progress: Progress) => void,
): Promise<void> {
  while (!signal.aborted) {
    const progress = await readProgress(shop.pool, SALE.saleId);
    killer.onSold(progress.sold);
    see(progress);
    await delay(PROGRESS_MS);
  }
}

/** What never comes to rest is found by the report. */
async function untilRest(progress: () => Progress, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + REST_MAX_MS;
  // As it was seen before the last buyer went, it may be older than that.
  await delay(2 * PROGRESS_MS);
  while (progress().open > 0 && Date.now() < deadline && !signal.aborted) await delay(PROGRESS_MS);
}

function describe({ killer, crowd }: Stage, progress: Progress, elapsedMs: number) {
  return { elapsedMs, kills: killer.kills, answers: Object.fromEntries(crowd.counts.answers), progress };
}

function evidenceOf({ shop, options, crowd }: Stage) {
  const logs = Object.fromEntries(
    Object.entries(shop.logFiles).map(([name, file]) => [name, readEvidence(file)]),
  ) as Record<keyof FlashSaleShop['logFiles'], StoredEvidence[]>;
  const { units } = options;
  return { ...logs, pool: shop.pool, saleId: SALE.saleId, units, accepted: [...crowd.accepted] };
}
