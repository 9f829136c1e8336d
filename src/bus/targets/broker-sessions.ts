import { outcomeOf, TARGET_CLOSED, timedOut, type BrokerFailure } from './broker-outcome';
import type { Target, TargetRequest } from './target';

/** One connection of a driver. It connects by itself when it is made; `run` of an attempt waits for it. */
export interface BrokerClient {
  /** Frees it at once, in whatever state it is. */
  close(): Promise<void>;
}

export interface BrokerSessionsOptions<Client> {
  /** Makes a client. Makes no call that could fail; what fails later fails the attempts. */
  open: () => Client;
  /** What a driver's error means. */
  failureOf: (error: unknown) => BrokerFailure;
  /** For a whole attempt, with the connection that it may need. */
  timeoutMs: number;
}

interface Session<Client> {
  client: Client;
  attempts: number;
  isRetired: boolean;
}

/**
 * The connection that all sends of a target share. Once an attempt leaves it in doubt, the next attempts get a new one, and
 * it is closed when those that still use it have ended. So no driver's own way to reconnect, with its own waits, counts:
 * when to try again is decided by the durable retries.
 */
export class BrokerSessions<Client extends BrokerClient> {
  readonly #options: BrokerSessionsOptions<Client>;
  readonly #open = new Set<Session<Client>>();
  /** Attempts and closings that have not ended. */
  readonly #pending = new Set<Promise<unknown>>();
  #current: Session<Client> | null = null;
  #isClosed = false;

  constructor(options: BrokerSessionsOptions<Client>) {
    this.#options = options;
  }

  /**
   * Makes one attempt within the target's time. Never rejects for what the broker or the connection did.
   * @param run - returns what failed, or null when the broker acknowledged; it may also throw the driver's errors
   */
  async attempt(run: (client: Client) => Promise<BrokerFailure | null>): Promise<BrokerFailure | null> {
    if (this.#isClosed) return TARGET_CLOSED;
    return this.#untilEnded(this.#attempt((this.#current ??= this.#start()), run));
  }

  /** Waits for what is under way, which its time bounds, and frees every connection. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of [...this.#open]) {
      this.#retire(session);
      this.#closeWhenUnused(session);
    }
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  async #attempt(
    session: Session<Client>,
    run: (client: Client) => Promise<BrokerFailure | null>,
  ): Promise<BrokerFailure | null> {
    session.attempts += 1;
    const failure = await this.#inTime(async () => run(session.client));
    session.attempts -= 1;
    if (failure?.connection === 'lost') this.#retire(session);
    this.#closeWhenUnused(session);
    return failure;
  }

  #start(): Session<Client> {
    const session = { client: this.#options.open(), attempts: 0, isRetired: false };
    this.#open.add(session);
    return session;
  }

  async #inTime(attempt: () => Promise<BrokerFailure | null>): Promise<BrokerFailure | null> {
    const { timeoutMs, failureOf } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<BrokerFailure>((resolve) => {
      timer = setTimeout(() => resolve(timedOut(timeoutMs)), timeoutMs);
    });
    try {
      return await Promise.race([attempt().catch(failureOf), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  #retire(session: Session<Client>): void {
    session.isRetired = true;
    if (this.#current === session) this.#current = null;
  }

  #closeWhenUnused(session: Session<Client>): void {
    if (!session.isRetired || session.attempts > 0 || !this.#open.delete(session)) return;
    // A driver that cannot close in order has nothing that could still be done about it.
    void this.#untilEnded(session.client.close().catch(() => undefined));
  }

  async #untilEnded<Result>(work: Promise<Result>): Promise<Result> {
    this.#pending.add(work);
    try {
      return await work;
    } finally {
      this.#pending.delete(work);
    }
  }
}

/** A target that sends each event by itself, through the sessions of its broker. */
export function sessionTarget<Client extends BrokerClient>(
  sessions: BrokerSessions<Client>,
  send: (client: Client, request: TargetRequest) => Promise<BrokerFailure | null>,
): Target {
  return {
    send: async (request) => {
      const startedAt = performance.now();
      const failure = await sessions.attempt((client) => send(client, request));
      return outcomeOf(failure, Math.round(performance.now() - startedAt));
    },
    close: () => sessions.close(),
  };
}
