import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';

/** What a buyer was answered. */
export interface Answer {
  status: number;
  /** Of a problem, for instance `sold_out`; null for a success. */
  code: string | null;
  body: Record<string, unknown>;
}

/** One thing that a buyer wants: every repeat is the same request under the same key. */
export interface Wish {
  path: string;
  /** Absent: a request that is safe to repeat without one. */
  key?: string;
  body: object;
  /** How long the shop may take to decide, in seconds. Absent: as long as it likes to. */
  waitSeconds?: number;
  /** Which door is tried first. */
  door: number;
}

/** Told of every answer as it comes; null: there was none. */
export type Hear = (answer: Answer | null) => void;

/** What buyers reach the shop by: the addresses of its processes, with nothing in front of them. */
export interface ShopClient {
  /**
   * Asks until it is decided: after no answer, 429 and 503 the same is asked again, at the next door.
   * @returns null when nothing was decided within a minute
   */
  insist(wish: Wish, hear: Hear): Promise<Answer | null>;
  /** Reads a document from the first door that answers; null: none does. */
  read(path: string): Promise<Record<string, unknown> | null>;
  close(): Promise<void>;
}

/** To each door. Buyers beyond that wait here, as they would at a load balancer. */
const CONNECTIONS = 256;
/** Above the longest wait that is asked for: a process that is overloaded answers late. */
const ANSWER_MAX_MS = 45_000;
const INSIST_MAX_MS = 60_000;
/** Before the next try when nobody says how long to wait; doubled by chance, so that not all come back at once. */
const REPEAT_MS = 300;

/** @param signal - ends what is under way: the next answer is the last */
export function createShopClient(doors: readonly string[], signal: AbortSignal): ShopClient {
  const pools = doors.map(
    (door) =>
      new Pool(door, {
        connections: CONNECTIONS,
        headersTimeout: ANSWER_MAX_MS,
        bodyTimeout: ANSWER_MAX_MS,
      }),
  );
  const at = (door: number): Pool => pools[door % pools.length]!;
  return {
    async insist(wish, hear) {
      const deadline = Date.now() + INSIST_MAX_MS;
      for (let repeat = 0; ; repeat += 1) {
        const { answer, retryAfterMs } = await send(at(wish.door + repeat), wish);
        hear(answer);
        if (answer !== null && answer.status !== 429 && answer.status !== 503) return answer;
        const waitMs = (retryAfterMs ?? REPEAT_MS) + Math.random() * REPEAT_MS;
        if (signal.aborted || Date.now() + waitMs > deadline) return null;
        await delay(waitMs);
      }
    },
    async read(path) {
      for (const pool of pools) {
        const found = await get(pool, path);
        if (found !== null) return found;
      }
      return null;
    },
    close: async () => void (await Promise.all(pools.map((pool) => pool.destroy()))),
  };
}

interface Heard {
  answer: Answer | null;
  retryAfterMs: number | null;
}

const NOTHING: Heard = { answer: null, retryAfterMs: null };

async function send(pool: Pool, { path, key, body, waitSeconds }: Wish): Promise<Heard> {
  const headers = {
    'content-type': 'application/json',
    ...(key === undefined ? {} : { 'idempotency-key': key }),
    ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` }),
  };
  try {
    const response = await pool.request({
      method: 'POST',
      path,
      headers,
      body: JSON.stringify(body),
    });
    const document = (await response.body.json()) as Record<string, unknown>;
    const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
    const isProblem = response.statusCode >= 400 && typeof document['code'] === 'string';
    return {
      answer: {
        status: response.statusCode,
        code: isProblem ? String(document['code']) : null,
        body: document,
      },
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : null,
    };
  } catch {
    // Refused, cut or silent: nobody can tell what became of it.
    return NOTHING;
  }
}

async function get(pool: Pool, path: string): Promise<Record<string, unknown> | null> {
  try {
    const response = await pool.request({ method: 'GET', path });
    const document = (await response.body.json()) as Record<string, unknown>;
    return response.statusCode === 200 ? document : null;
  } catch {
    return null;
  }
}
