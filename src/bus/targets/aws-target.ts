import {
  CREDENTIALS_REFUSED,
  isAboutOneEvent,
  outcomeOfAwsError,
  outcomeOfRefusal,
  type AwsAttempt,
  type AwsRefusal,
} from './aws-outcome';
import { outcomeOfTimeout } from './http-outcome';
import type { SendOutcome, Target, TargetRequest } from './target';

/** What a service says of one entry of a call; null when it says nothing. */
export type EntryResult = 'accepted' | AwsRefusal | null;

/** One service of AWS's, as a target sees it. */
export interface AwsService {
  /** Why this event can never be sent as it is; null when it can. */
  refusal?(request: TargetRequest): { code: string; message: string } | null;
  /** One call. One result for each request, in their order. Throws what the SDK throws. */
  call(requests: readonly TargetRequest[], abortSignal: AbortSignal): Promise<EntryResult[]>;
  /** Asks for credentials anew, past what the SDK remembers. */
  refreshCredentials(): Promise<unknown>;
  /** Frees the client's sockets. */
  destroy(): void;
  /** The code for what does not exist: "unknown_queue". */
  notFoundCode: string;
}

export interface AwsTargetOptions {
  /** For a whole attempt, however many calls it takes. */
  timeoutMs: number;
  maximumEvents: number;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** What SendMessageBatch and PublishBatch answer. */
interface BatchAnswer {
  Successful?: { Id?: string | undefined }[] | undefined;
  Failed?: BatchFailure[] | undefined;
}

interface BatchFailure {
  Id?: string | undefined;
  Code?: string | undefined;
  Message?: string | undefined;
  SenderFault?: boolean | undefined;
}

/** The results of a call whose entries have their place for their id. What is in neither list is not known of. */
export function resultsOfBatch(count: number, { Successful = [], Failed = [] }: BatchAnswer): EntryResult[] {
  const results = Array.from({ length: count }, (): EntryResult => null);
  for (const { Id } of Successful) results[Number(Id)] = 'accepted';
  for (const { Id, Code = '', Message = '', SenderFault } of Failed) {
    results[Number(Id)] = { name: Code, text: Message, status: null, isSenderFault: SenderFault === true };
  }
  return results;
}

const SAID_NOTHING: AwsRefusal = { name: '', text: '', status: null, isSenderFault: false };

/**
 * A target on a service that takes several events in a call and answers for each; one event is a call with one entry. The
 * SDK's own retries are off. When credentials are refused they are asked for once more and the call is repeated. A call
 * that is refused as a whole for what one event holds is made again event by event, so that only that event is dead.
 */
export function createAwsTarget(service: AwsService, options: AwsTargetOptions): Target {
  const inFlight = new Set<Promise<SendOutcome[]>>();
  let closing: Promise<void> | undefined;
  const sendAll = async (requests: readonly TargetRequest[]): Promise<SendOutcome[]> => {
    if (closing !== undefined) return requests.map(closedOutcome);
    const attempt = new Attempt(service, options).run(requests);
    inFlight.add(attempt);
    try {
      return await attempt;
    } finally {
      inFlight.delete(attempt);
    }
  };
  const target: Target = {
    send: async (request) => (await sendAll([request]))[0]!,
    close: () => (closing ??= Promise.allSettled(inFlight).then(() => service.destroy())),
  };
  if (options.maximumEvents === 1) return target;
  return { ...target, batch: { maximumEvents: options.maximumEvents, send: sendAll } };
}

/** One attempt for some events, within one time. */
class Attempt {
  readonly #service: AwsService;
  readonly #options: AwsTargetOptions;
  readonly #timeout = new AbortController();
  readonly #startedAt = performance.now();

  constructor(service: AwsService, options: AwsTargetOptions) {
    this.#service = service;
    this.#options = options;
  }

  async run(requests: readonly TargetRequest[]): Promise<SendOutcome[]> {
    const refused = new Map<TargetRequest, SendOutcome>();
    for (const request of requests) {
      const refusal = this.#service.refusal?.(request) ?? null;
      if (refusal !== null) refused.set(request, { kind: 'dead', status: null, latencyMs: 0, ...refusal });
    }
    const sendable = requests.filter((request) => !refused.has(request));
    const timer = setTimeout(() => this.#timeout.abort(), this.#options.timeoutMs);
    try {
      const outcomes = sendable.length === 0 ? [] : await this.#send(sendable);
      return requests.map((request) => refused.get(request) ?? outcomes.shift()!);
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(requests: readonly TargetRequest[]): Promise<SendOutcome[]> {
    const outcomes = await this.#call(requests);
    if (!outcomes.every((outcome) => 'code' in outcome && outcome.code === CREDENTIALS_REFUSED)) {
      return outcomes;
    }
    try {
      await this.#untilTimeout(this.#service.refreshCredentials());
    } catch (error) {
      const outcome = this.#outcomeOf(error);
      return requests.map(() => outcome);
    }
    return this.#call(requests);
  }

  async #call(requests: readonly TargetRequest[]): Promise<SendOutcome[]> {
    try {
      this.#timeout.signal.throwIfAborted();
      const results = await this.#untilTimeout(this.#service.call(requests, this.#timeout.signal));
      return requests.map((_request, index) => this.#outcomeOfEntry(results[index] ?? null));
    } catch (error) {
      const outcome = this.#outcomeOf(error);
      if (requests.length === 1 || !isAboutOneEvent(outcome)) return requests.map(() => outcome);
    }
    const outcomes: SendOutcome[] = [];
    for (const request of requests) outcomes.push(...(await this.#call([request])));
    return outcomes;
  }

  #outcomeOfEntry(result: EntryResult): SendOutcome {
    const attempt = this.#attempt();
    if (result === 'accepted') return { kind: 'delivered', status: null, latencyMs: attempt.latencyMs };
    return outcomeOfRefusal(result ?? SAID_NOTHING, attempt);
  }

  #outcomeOf(error: unknown): SendOutcome {
    const attempt = this.#attempt();
    if (this.#timeout.signal.aborted) return outcomeOfTimeout(this.#options.timeoutMs, attempt.latencyMs);
    const outcome = outcomeOfAwsError(error, attempt);
    if (outcome === null) throw error;
    return outcome;
  }

  #attempt(): AwsAttempt {
    const latencyMs = Math.round(performance.now() - this.#startedAt);
    return { latencyMs, now: this.#options.now(), notFoundCode: this.#service.notFoundCode };
  }

  /** Not all that the SDK does can be aborted, for instance the look for credentials. */
  #untilTimeout<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#timeout;
    return new Promise((resolve, reject) => {
      const giveUp = (): void =>
        reject(new DOMException('The time of the attempt is used up.', 'AbortError'));
      signal.addEventListener('abort', giveUp, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
    });
  }
}

function closedOutcome(): SendOutcome {
  const message = 'The target was closed while it was sending.';
  return { kind: 'retry', status: null, latencyMs: 0, code: 'target_closed', message };
}
