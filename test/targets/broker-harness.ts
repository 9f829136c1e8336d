import type { OpenTargetDeps } from '../../src/bus/targets/kind';
import type { Target, TargetRequest } from '../../src/bus/targets/target';
import type { FaultProxy } from '../chaos/fault-proxy';
import { CONTRACT_REQUEST, contractRequest, type Received, type Situation } from '../contract/target';
import { waitFor } from '../support/wait';
import type { RestartableServer } from './servers/restartable';

/** What a broker behind a proxy can be made to do. None of these has a word for "not now" that can be asked for. */
export const BROKER_SITUATIONS = [
  'accepts',
  'refuses',
  'hangs',
  'accepts-then-cuts',
  'unreachable',
] as const satisfies readonly Situation[];

export type BrokerDeps = Pick<OpenTargetDeps, 'brokers' | 'connection'>;

/** Addresses of one broker, and no connection. */
export function brokerDeps(brokers: Partial<OpenTargetDeps['brokers']>): BrokerDeps {
  return { brokers: { kafka: [], rocketmq: null, nats: [], amqp: null, ...brokers }, connection: null };
}

/** @param isAnswer - whether what the broker says after an event is its acknowledgement. Default: anything is. */
export async function arrangeProxy(
  proxy: FaultProxy,
  situation: Situation,
  isAnswer: (bytes: Buffer) => boolean = () => true,
): Promise<void> {
  await proxy.heal();
  if (situation === 'hangs') proxy.freeze('down');
  if (situation === 'accepts-then-cuts') cutAfterNextEvent(proxy, isAnswer);
  if (situation === 'unreachable') {
    await proxy.refuse();
    proxy.cut();
  }
}

/** The acknowledgement is held back and lost with its connection. What comes later passes again. */
function cutAfterNextEvent(proxy: FaultProxy, isAnswer: (bytes: Buffer) => boolean): void {
  let isSent = false;
  proxy.onBytes = (direction, bytes) => {
    if (direction === 'up') isSent ||= bytes.includes(CONTRACT_REQUEST.deliveryId);
    else if (isSent && isAnswer(bytes)) {
      proxy.onBytes = null;
      proxy.freeze('down');
      // Not from inside of the event that brought the bytes: they are held only after this returns.
      setImmediate(() => {
        proxy.cut();
        proxy.thaw('down');
      });
    }
  };
}

/** @param headers - what travelled beside the payload, as text */
export function receivedFrom(
  payload: string,
  headers: Readonly<Record<string, string | undefined>>,
): Received {
  return {
    id: headers['event-id'] ?? '',
    deliveryId: headers['delivery-id'] ?? '',
    payload,
    orderingKey: headers['ordering-key'] ?? null,
    replayId: headers['replay-id'] ?? null,
  };
}

/** An event that is larger than the test's brokers take, though smaller than what the bus lets in. Bytes. */
const POISON_BYTES = 100_000;

export const POISON: TargetRequest = { ...contractRequest(9), payload: 'x'.repeat(POISON_BYTES) };

/** The n-th event of a long run: ids, bytes and delivery differ. */
export function numberedRequest(n: number): TargetRequest {
  const base = contractRequest(1);
  const ending = String(n).padStart(12, '0');
  return {
    ...base,
    event: { ...base.event, id: `0198c5d2-0000-7000-8000-${ending}` },
    payload: JSON.stringify({ orderId: 'ord_1', seq: n }),
    deliveryId: `0198c5d2-0000-7000-9000-${ending}`,
  };
}

/** Before, while and after: enough for the crash to fall between two sends or into one. */
const SENDS_BEFORE_CRASH = 30;
const SENDS_AFTER_START = 30;

/**
 * Sends one event after the other, each until it is delivered, as the bus does; kills the broker on the way and starts it
 * again.
 * @returns what was acknowledged, in order, and the codes of the attempts that failed
 */
export async function sendThroughCrash(
  target: Target,
  server: RestartableServer,
): Promise<{ acknowledged: TargetRequest[]; failures: string[] }> {
  const acknowledged: TargetRequest[] = [];
  const failures: string[] = [];
  let isUp = true;
  let sendsAfter = 0;
  const sending = (async () => {
    for (let n = 1; sendsAfter < SENDS_AFTER_START; n += 1) {
      const request = numberedRequest(n);
      await waitFor(
        `event ${n} is delivered`,
        async () => {
          const outcome = await target.send(request);
          if (outcome.kind !== 'delivered') failures.push(`${outcome.kind} ${outcome.code}`);
          return outcome.kind === 'delivered';
        },
        { deadlineMs: 120_000, describe: () => failures.slice(-3).join(', ') },
      );
      acknowledged.push(request);
      if (isUp && failures.length > 0) sendsAfter += 1;
    }
  })();
  const crashing = (async () => {
    await waitFor('some events are delivered', () => acknowledged.length >= SENDS_BEFORE_CRASH);
    isUp = false;
    await server.crash();
    await waitFor('a send fails', () => failures.length > 0);
    await server.start();
    isUp = true;
  })();
  await Promise.all([sending, crashing]);
  return { acknowledged, failures };
}

/** Each event once, at the place where it first came: what a receiver has that drops repeats by their id. */
export function withoutRepeats(received: readonly Received[]): Received[] {
  const seen = new Set<string>();
  return received.filter(({ deliveryId }) => !seen.has(deliveryId) && seen.add(deliveryId));
}

/** What an acknowledged event must have arrived as. */
export function receivedOf({ event, deliveryId, payload, orderingKey, replayId }: TargetRequest): Received {
  return { id: event.id, deliveryId, payload, orderingKey, replayId };
}
