import { residentBytesOf } from '../rig/process-times';
import { spreadOf } from '../quantiles';
import type { Load } from '../loads';
import { SKUS } from '../loads';
import type { Scenario } from './scenario';
import { withProduct } from './with-product';

const SECONDS = 600;
const QUICK_SECONDS = 15;
/** Until then caches fill and code is compiled: growth is looked at after it. */
const SETTLE_SECONDS = 120;
const QUICK_SETTLE_SECONDS = 5;
const SAMPLE_MS = 2_000;
const RATES = { flash: 150, standard: 20 } as const;
const BYTES_PER_MIB = 2 ** 20;
const MS_PER_MINUTE = 60_000;

interface Sample {
  atMs: number;
  bytes: number;
}

export const soak: Scenario = {
  name: 'soak',
  title: 'resident memory under 10 minutes of load',
  run: (rig, { quick }) =>
    withProduct(rig, {}, async ({ product, lane }) => {
      const ratePerSecond = RATES[lane];
      const load: Load = { name: 'soak', title: 'soak', ratePerSecond, skus: SKUS };
      const samples: Sample[] = [];
      const startedAt = performance.now();
      const sampling = setInterval(() => {
        const bytes = product.nodes.reduce((sum, { pid }) => sum + residentBytesOf(pid), 0);
        samples.push({ atMs: performance.now() - startedAt, bytes });
      }, SAMPLE_MS);
      const seconds = quick ? QUICK_SECONDS : SECONDS;
      const asks = await rig.load.run({ url: product.url, load, seconds });
      clearInterval(sampling);
      const settledMs = (quick ? QUICK_SETTLE_SECONDS : SETTLE_SECONDS) * 1_000;
      const settled = samples.filter(({ atMs }) => atMs >= settledMs);
      return {
        lane,
        ratePerSecond,
        seconds,
        refused: asks.filter(({ status }) => status !== 201).length,
        answeredMs: spreadOf(asks.map(({ dueAt, answeredAt }) => answeredAt - dueAt)),
        growthPercentPerMinute: growthPercentPerMinute(settled),
        residentMiB: samples.map(({ bytes }) => Math.round(bytes / BYTES_PER_MIB)),
      };
    }),
};

/** Slope of the straight line through the samples, in percent of their mean. */
function growthPercentPerMinute(samples: readonly Sample[]): number {
  const mean = (numbers: number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const meanAt = mean(samples.map(({ atMs }) => atMs));
  const meanBytes = mean(samples.map(({ bytes }) => bytes));
  let over = 0;
  let under = 0;
  for (const { atMs, bytes } of samples) {
    over += (atMs - meanAt) * (bytes - meanBytes);
    under += (atMs - meanAt) ** 2;
  }
  return ((over / under) * MS_PER_MINUTE * 100) / meanBytes;
}
