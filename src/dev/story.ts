import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

/** Something an order went through, as the timeline tells it. */
interface Entry {
  at: string;
  type: string;
  summary: string;
  data: Record<string, unknown>;
}

const STOCK = 100;
/** A story that takes longer has a problem that the Web UI shows better. */
const STORY_MAX_MS = 60_000;
const POLL_MS = 200;

/** The body of the sample order; also what the printed curl line sends. `+15005550006` is a magic number: valid, nobody's. */
export const SAMPLE_ORDER = {
  customer: { id: 'cus_1', phone: '+15005550006', channels: ['sms'] },
  lines: [
    { sku: 'SKU-1', quantity: 2, unitPriceMinor: 999 },
    { sku: 'SKU-2', quantity: 1, unitPriceMinor: 1499 },
    { sku: 'SKU-3', quantity: 1, unitPriceMinor: 2493 },
  ],
  currency: 'EUR',
  payment: { mode: 'none' },
};

/** A line that places an order when it is pasted into a shell. */
export function curlLine(url: string): string {
  return [
    `curl -s ${url}/v1/orders`,
    `-H 'Content-Type: application/json'`,
    `-H "Idempotency-Key: $(date +%s)-$RANDOM"`,
    `-d '${JSON.stringify(SAMPLE_ORDER)}'`,
  ].join(' ');
}

/** Puts stock there where too little is left: a second start goes on with what there is. */
export async function stockSample(url: string): Promise<void> {
  for (const { sku, quantity } of SAMPLE_ORDER.lines) {
    const known = await fetch(`${url}/v1/inventory/${sku}`);
    if (known.ok && ((await known.json()) as { available: number }).available >= quantity) continue;
    await request(`${url}/v1/inventory/${sku}`, {
      method: 'PUT',
      body: JSON.stringify({ available: STOCK }),
    });
  }
}

/** Places one order through HTTP and prints what becomes of it, as it happens. */
export async function tellSampleOrder(url: string, say: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  const { status, body } = await request(`${url}/v1/orders`, {
    method: 'POST',
    headers: { 'idempotency-key': randomUUID() },
    body: JSON.stringify(SAMPLE_ORDER),
  });
  const order = body as { orderId: string; status: string; links: { temporalUi: string } };
  say(`POST /v1/orders → ${status} in ${Math.round(performance.now() - startedAt)} ms`);
  say(`  order ${order.orderId}: ${order.status}`);
  await tellTimeline(`${url}/v1/orders/${order.orderId}/timeline`, say);
  say(`See the run in the Web UI: ${order.links.temporalUi}`);
}

async function tellTimeline(timelineUrl: string, say: (line: string) => void): Promise<void> {
  const told = new Set<string>();
  const deadline = Date.now() + STORY_MAX_MS;
  for (let entries: Entry[] = []; !isTold(entries); await delay(POLL_MS)) {
    if (Date.now() > deadline) return say('  … the story goes on; the Web UI and the timeline show it.');
    const { body } = await request(timelineUrl, {});
    entries = (body as { data: Entry[] }).data;
    for (const entry of entries) {
      const line = `  ${entry.at}  ${entry.type.padEnd(22)} ${entry.summary}${statusOf(entry)}`;
      const unsettled =
        entry.type === 'delivery.attempted' ||
        entry.type === 'notification.ready' ||
        entry.type === 'notification.sending';
      if (!unsettled && !told.has(line)) say(line);
      told.add(line);
    }
  }
}

function statusOf(entry: Entry): string {
  if (entry.type === 'notification.accepted') return ', answered 201';
  return typeof entry.data['status'] === 'number' ? `, answered ${entry.data['status']}` : '';
}

/** The order is told when it was committed, published, and the message has reached the customer or not. */
function isTold(entries: Entry[]): boolean {
  return ['transaction.committed', 'delivery.delivered', 'notification.ended'].every((type) =>
    entries.some((entry) => entry.type === type),
  );
}

async function request(url: string, init: RequestInit): Promise<{ status: number; body: unknown }> {
  const headers = {
    'content-type': 'application/json',
    ...(init.headers as Record<string, string> | undefined),
  };
  const response = await fetch(url, { ...init, headers });
  const body: unknown = await response.json();
  if (!response.ok)
    throw new Error(`${init.method ?? 'GET'} ${url} answered ${response.status}: ${JSON.stringify(body)}`);
  return { status: response.status, body };
}
