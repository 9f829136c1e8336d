import { readLog } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { startStack, type Stack } from '../e2e/stack';
import { holds, readAlertRules, readSamples } from '../support/alerts';
import { waitFor } from '../support/wait';

/**
 * A target is down for five minutes while 500 orders come in: it delays only itself, the alert fires, and it drains in
 * order when it is back. OUTAGE_SECONDS and OUTAGE_ORDERS shorten a try.
 */
const OUTAGE_SECONDS = Number(process.env['OUTAGE_SECONDS'] ?? 300);
const ORDERS = Number(process.env['OUTAGE_ORDERS'] ?? 500);

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  await stack.stock('SKU', 10_000);
  await stack.sendToSink({ name: 'steady', path: '/steady' });
  await stack.sendToSink({ name: 'down', path: '/down' });
}, 120_000);
afterAll(() => stack.stop(), 60_000);

interface Arrival {
  at: number;
  orderId: string;
  seq: number;
  committedAt: number;
}

const arrivalsAt = (path: string): Arrival[] =>
  readLog(stack.logFiles.sink)
    .filter((entry) => entry.type === 'received' && entry['path'] === path && entry['answer'] === 200)
    .map((entry) => {
      const event = JSON.parse(String(entry['body'])) as {
        time: string;
        detail: { orderId: string; seq: number };
      };
      return { ...event.detail, at: Date.parse(String(entry['at'])), committedAt: Date.parse(event.time) };
    });

const percentile = (numbers: number[], share: number): number =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]!;

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

it('a target that is down delays only itself and drains in order', async () => {
  const lags = readAlertRules().find(({ name }) => name === 'AftercommitTargetLags')!;
  const samples = async () =>
    readSamples(await (await fetch(`${stack.url}/metrics`)).text()).filter(
      ({ labels }) => labels['target'] === 'down',
    );
  // Until it is told otherwise: more failures than there will be attempts.
  await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/down', status: 503, times: 1_000_000 }] });
  const downAt = Date.now();

  const gapMs = (OUTAGE_SECONDS * 1_000 * 0.8) / ORDERS;
  for (let n = 0; n < ORDERS; n += 1) {
    // Every tenth is paid for, and so has two events, whose order counts.
    const method = n % 10 === 0 ? { method: 'tok_visa' } : {};
    const answer = await stack.placeOrder({ key: `outage-${n}`, sku: 'SKU', ...method });
    expect(answer.status).toBe(201);
    await waitFor('the next order is due', () => Date.now() >= downAt + gapMs * (n + 1), {
      deadlineMs: 60_000,
    });
  }
  const events = ORDERS + Math.ceil(ORDERS / 10);
  await waitFor('the other target has everything', () => arrivalsAt('/steady').length === events, {
    deadlineMs: 120_000,
  });
  await waitFor('the outage is over', () => Date.now() >= downAt + OUTAGE_SECONDS * 1_000, {
    deadlineMs: OUTAGE_SECONDS * 1_000 + 60_000,
  });
  const limit = Math.min(lags.limit, OUTAGE_SECONDS - 30);
  await waitFor('the alert fires', async () => holds(lags, await samples(), limit), { deadlineMs: 120_000 });
  expect(arrivalsAt('/down')).toEqual([]);

  await controlFake(stack.fakeUrls.sink, { reset: true });
  const upAt = Date.now();
  // The longest wait between two attempts is 15 min by then at most, as long as the outage itself in the mean.
  await waitFor('it has everything', () => arrivalsAt('/down').length >= events, { deadlineMs: 20 * 60_000 });

  const down = arrivalsAt('/down');
  const steadyLag = arrivalsAt('/steady').map(({ at, committedAt }) => at - committedAt);
  const drained = down.map(({ at }) => at - upAt);
  console.log(
    [
      `orders ${ORDERS}, events ${events}, outage ${OUTAGE_SECONDS} s`,
      `the other target: commit to arrival p50 ${percentile(steadyLag, 0.5)} ms, p99 ${percentile(steadyLag, 0.99)} ms`,
      `drained: half after ${seconds(percentile(drained, 0.5))} s, all after ${seconds(Math.max(...drained))} s`,
    ].join('\n'),
  );
  const byOrder = groupByOrder(down);
  for (const arrivals of byOrder.values()) {
    const seqs = arrivals.map(({ seq }) => seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  }
  expect(byOrder.size).toBe(ORDERS);
  await waitFor('the alert ends', async () => !holds(lags, await samples(), limit));
  expect(await stack.violations()).toEqual([]);
});

function groupByOrder(arrivals: Arrival[]): Map<string, Arrival[]> {
  const groups = new Map<string, Arrival[]>();
  for (const arrival of arrivals)
    groups.set(arrival.orderId, [...(groups.get(arrival.orderId) ?? []), arrival]);
  return groups;
}
