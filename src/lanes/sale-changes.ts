import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolClient } from '../database/pool';
import { SALES_CHANNEL } from '../database/sales';
import type { Logger } from '../log';

/** After a lost connection. Milliseconds. */
const AGAIN_AFTER_MS = 1_000;
/** A connection that died without a word is noticed by this. Milliseconds. */
const HEARTBEAT_EVERY_MS = 1_000;

/** Who wants to hear of sales. */
export interface SaleListener {
  /** Units of it came back, or somebody changed it. */
  changed(saleId: string): void;
  /** False while nobody would be told. Whatever was known before is to be forgotten at each change. */
  listening(isListening: boolean): void;
}

export interface SaleChanges {
  /** Gives the connection back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Tells of every sale of which units come back or terms change, as soon as that is committed (LISTEN), on a connection of its
 * own. A lost one is replaced.
 */
export function listenToSales(
  deps: { pool: Pool; log: Pick<Logger, 'warn'> },
  listener: SaleListener,
): SaleChanges {
  const stop = new AbortController();
  const running = listenUntilStopped(deps, listener, stop.signal);
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function listenUntilStopped(
  { pool, log }: { pool: Pool; log: Pick<Logger, 'warn'> },
  listener: SaleListener,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let client: PoolClient | undefined;
    try {
      client = await pool.connect();
      await listen(client, listener, signal);
    } catch (error) {
      if (!signal.aborted) log.warn({ error: String(error) }, 'nobody listens to sales for a moment');
    } finally {
      listener.listening(false);
      // Destroyed, never returned: it listens.
      client?.release(true);
    }
    await pause(AGAIN_AFTER_MS, signal);
  }
}

/** Resolves when told to stop; throws when the connection is lost. */
async function listen(client: PoolClient, listener: SaleListener, signal: AbortSignal): Promise<void> {
  const lost = new Promise<never>((_resolve, reject) => {
    client.on('error', reject);
    client.on('end', () => reject(new Error('the connection ended')));
  });
  // Handled where it is raced; this keeps a loss between two races from ending the process.
  lost.catch(() => undefined);
  client.on('notification', ({ payload = '' }) => listener.changed(payload));
  await client.query(`listen ${SALES_CHANNEL}`);
  if (!signal.aborted) listener.listening(true);
  while (!signal.aborted) {
    await Promise.race([pause(HEARTBEAT_EVERY_MS, signal), lost]);
    if (!signal.aborted) await client.query('select 1');
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
