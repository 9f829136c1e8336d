import type { SendOutcome, Target, TargetRequest } from '../../src/bus/targets/target';
import { envelopeText, type EventEnvelope } from '../../src/domain/events';
import { waitFor } from '../support/wait';

/** What the other side does with the next attempts. A protocol that has no word for one leaves it out of `situations`. */
export type Situation =
  | 'accepts'
  /** Refuses this event for good. */
  | 'refuses'
  | 'throttles'
  /** Has a failure of its own, which will pass. */
  | 'fails'
  /** Takes the connection and the request, and never answers. */
  | 'hangs'
  /** Takes the event and cuts the connection before it answers. */
  | 'accepts-then-cuts'
  | 'unreachable';

/** One event as the other side holds it. */
export interface Received {
  id: string;
  deliveryId: string;
  payload: string;
  /** Null when the protocol has no word for it. */
  orderingKey: string | null;
  replayId: string | null;
}

/** A target together with the other side that it sends to. */
export interface TargetHarness {
  target: Target;
  /** The target's own timeout, in milliseconds; short. */
  timeoutMs: number;
  situations: readonly Situation[];
  arrange(situation: Situation): Promise<void>;
  /** What the other side accepted so far, in order. */
  received(): Promise<Received[]>;
  /** What is sent while it refuses, when it judges by the event itself. Default: any event. */
  poison?: TargetRequest;
  /** False when the protocol has no word for an ordering key. Default true. */
  carriesOrderingKey?: boolean;
  /** True when the other side drops a repeat itself, by its id. Default false: the repeat is received too. */
  dropsRepeats?: boolean;
  /** Closes the target and the other side. */
  close(): Promise<void>;
}

/** The other side of a kind with `batch`, which takes at least three events in a call. */
export interface BatchHarness extends TargetHarness {
  /** Makes exactly these deliveries of the next call fail, for good or for now. */
  failInBatch(deliveryIds: readonly string[]): Promise<void>;
}

/** The clock that a harness gives to its target, where it takes one: Retry-After dates are counted from here. */
export const CONTRACT_NOW = Date.parse('2026-08-01T12:00:00.000Z');

/** The n-th event of one order, n from 1 to 9: ids, bytes and delivery differ. */
export function contractRequest(n: number): TargetRequest {
  const event: EventEnvelope = {
    id: `0198c5d2-0000-7000-8000-00000000000${n}`,
    source: 'ecommerce.orders',
    'detail-type': 'order.confirmed',
    time: '2026-08-01T12:00:00.000Z',
    detail: { orderId: 'ord_1', seq: n },
  };
  return {
    event,
    payload: envelopeText(event),
    deliveryId: `0198c5d2-0000-7000-8000-00000000010${n}`,
    ruleName: 'order-confirmed',
    orderingKey: 'ord_1',
    replayId: null,
  };
}

export const CONTRACT_REQUEST: TargetRequest = contractRequest(1);
export const CONTRACT_EVENT: EventEnvelope = CONTRACT_REQUEST.event;

/** What each situation comes to. Source: reliability, rows 30-40. */
const OUTCOMES: Readonly<Record<Situation, Partial<SendOutcome>>> = {
  accepts: { kind: 'delivered' },
  refuses: { kind: 'dead' },
  throttles: { kind: 'retry' },
  fails: { kind: 'retry' },
  hangs: { kind: 'retry', code: 'timeout' },
  'accepts-then-cuts': { kind: 'retry' },
  unreachable: { kind: 'retry' },
};

/** What an attempt may take beyond its timeout on a busy machine. */
const TIMEOUT_SLACK_MS = 1_000;

/** What every target promises, whatever it sends to. */
export function targetContract(name: string, open: () => Promise<TargetHarness>): void {
  describe(`the contract of targets, kept by ${name}`, () => {
    let harness: TargetHarness;
    beforeEach(async () => {
      harness = await open();
      await harness.arrange('accepts');
    });
    afterEach(() => harness.close());

    it('delivers an event as it is, with what a receiver needs beside it', async () => {
      const outcome = await harness.target.send(CONTRACT_REQUEST);

      expectWellFormed(outcome);
      expect(outcome.kind).toBe('delivered');
      expect(await receivedBy(harness, 1)).toEqual([expectedOf(harness, CONTRACT_REQUEST)]);
    });

    it('says beside the payload that a replay sends it', async () => {
      const replayed = { ...CONTRACT_REQUEST, replayId: '0198c5d2-0000-7000-8000-000000000201' };

      expect(await harness.target.send(replayed)).toMatchObject({ kind: 'delivered' });
      expect(await receivedBy(harness, 1)).toEqual([expectedOf(harness, replayed)]);
    });

    it('keeps the order of what is sent one after the other', async () => {
      const requests = [1, 2, 3, 4, 5].map(contractRequest);
      for (const request of requests) expect((await harness.target.send(request)).kind).toBe('delivered');

      const received = await receivedBy(harness, requests.length);
      expect(received).toEqual(requests.map((request) => expectedOf(harness, request)));
    });

    it('gives each of many sends at once its own outcome', async () => {
      const requests = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(contractRequest);

      const outcomes = await Promise.all(requests.map((request) => harness.target.send(request)));

      expect(outcomes.map(({ kind }) => kind)).toEqual(requests.map(() => 'delivered'));
      const received = await receivedBy(harness, requests.length);
      expect(received.map(({ deliveryId }) => deliveryId).sort()).toEqual(
        requests.map(({ deliveryId }) => deliveryId).sort(),
      );
    });

    it('tells each failure for what it is, in time, and delivers the next event', async () => {
      const failures = harness.situations.filter((situation) => situation !== 'accepts');
      expect(failures).not.toEqual([]);

      for (const situation of failures) {
        const { outcome, tookMs } = await sendWhile(harness, situation);
        expect({ situation, outcome }).toMatchObject({ situation, outcome: OUTCOMES[situation] });
        expectWellFormed(outcome);
        expect(tookMs).toBeLessThan(harness.timeoutMs + TIMEOUT_SLACK_MS);

        await harness.arrange('accepts');
        const next = await harness.target.send(contractRequest(2));
        expect({ situation, next }).toMatchObject({ situation, next: OUTCOMES.accepts });
      }
    });

    it('repeats an event whose answer was lost with the same ids and the same bytes', async () => {
      const losesAnswers = harness.situations.includes('accepts-then-cuts');
      await harness.arrange(losesAnswers ? 'accepts-then-cuts' : 'accepts');
      const first = await harness.target.send(CONTRACT_REQUEST);
      await harness.arrange('accepts');
      const second = await harness.target.send(CONTRACT_REQUEST);

      expect([first.kind, second.kind]).toEqual([losesAnswers ? 'retry' : 'delivered', 'delivered']);
      const copies = harness.dropsRepeats === true ? 1 : 2;
      expect(await receivedBy(harness, copies)).toEqual(
        Array.from({ length: copies }, () => expectedOf(harness, CONTRACT_REQUEST)),
      );
    });

    it('can be closed twice, and what is sent afterwards is for another time', async () => {
      await harness.target.send(CONTRACT_REQUEST);
      await harness.target.close();

      await expect(harness.target.close()).resolves.toBeUndefined();
      expect(await harness.target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry' });
    });
  });
}

/** What every target with `batch` promises beside the contract of targets. */
export function batchContract(name: string, open: () => Promise<BatchHarness>): void {
  describe(`the contract of batches, kept by ${name}`, () => {
    let harness: BatchHarness;
    let requests: TargetRequest[];
    beforeEach(async () => {
      harness = await open();
      await harness.arrange('accepts');
      requests = [1, 2, 3, 4, 5].map(contractRequest).slice(0, batchOf(harness).maximumEvents);
    });
    afterEach(() => harness.close());

    it('takes at least three events', () => {
      expect(requests.length).toBeGreaterThanOrEqual(3);
    });

    it('delivers every event once, in order, with what a receiver needs beside it', async () => {
      const outcomes = await batchOf(harness).send(requests);

      for (const outcome of outcomes) expectWellFormed(outcome);
      expect(outcomes.map(({ kind }) => kind)).toEqual(requests.map(() => 'delivered'));
      expect(await receivedBy(harness, requests.length)).toEqual(
        requests.map((request) => expectedOf(harness, request)),
      );
    });

    it('takes none', async () => {
      expect(await batchOf(harness).send([])).toEqual([]);
      expect(await harness.received()).toEqual([]);
    });

    it('tells what failed of a batch by its place, and the rest is delivered once', async () => {
      const failing = requests.filter((_request, index) => index % 2 === 1);
      const fine = requests.filter((_request, index) => index % 2 === 0);
      await harness.failInBatch(failing.map(({ deliveryId }) => deliveryId));

      const outcomes = await batchOf(harness).send(requests);

      for (const outcome of outcomes) expectWellFormed(outcome);
      expect(outcomes.map(({ kind }) => kind === 'delivered')).toEqual(
        requests.map((request) => fine.includes(request)),
      );
      expect(await receivedBy(harness, fine.length)).toEqual(fine.map((one) => expectedOf(harness, one)));
    });

    it('repeats only what failed', async () => {
      const [first, second, ...others] = requests as [TargetRequest, TargetRequest, ...TargetRequest[]];
      await harness.failInBatch([second.deliveryId]);
      await batchOf(harness).send(requests);
      await harness.arrange('accepts');

      const [outcome] = await batchOf(harness).send([second]);

      expect(outcome).toMatchObject({ kind: 'delivered' });
      const received = await receivedBy(harness, requests.length);
      expect(received).toEqual([first, ...others, second].map((request) => expectedOf(harness, request)));
    });

    it('gives every event of a call that failed as a whole the outcome, in time', async () => {
      const whole = harness.situations.filter((situation) => !['accepts', 'refuses'].includes(situation));
      for (const situation of whole) {
        await harness.arrange(situation);
        const startedAt = performance.now();

        const outcomes = await batchOf(harness).send(requests);

        expect({ situation, outcomes }).toMatchObject({
          situation,
          outcomes: requests.map(() => OUTCOMES[situation]),
        });
        expect(performance.now() - startedAt).toBeLessThan(harness.timeoutMs + TIMEOUT_SLACK_MS);
      }
    });
  });
}

function batchOf({ target }: BatchHarness): NonNullable<Target['batch']> {
  if (target.batch === undefined) throw new RangeError('The harness opened a target without batches.');
  return target.batch;
}

async function sendWhile(
  harness: TargetHarness,
  situation: Situation,
): Promise<{ outcome: SendOutcome; tookMs: number }> {
  await harness.arrange(situation);
  const request = situation === 'refuses' ? (harness.poison ?? CONTRACT_REQUEST) : CONTRACT_REQUEST;
  const startedAt = performance.now();
  const outcome = await harness.target.send(request);
  return { outcome, tookMs: performance.now() - startedAt };
}

/** Waits for so many events, since a broker may show them only some time after it acknowledged them. */
function receivedBy(harness: TargetHarness, count: number): Promise<Received[]> {
  return waitFor(
    `${count} events at the other side`,
    async () => {
      const received = await harness.received();
      return received.length >= count && received;
    },
    { describe: async () => JSON.stringify(await harness.received()) },
  );
}

function expectedOf(harness: TargetHarness, request: TargetRequest): Received {
  const { event, deliveryId, payload, orderingKey, replayId } = request;
  const carried = harness.carriesOrderingKey === false ? null : orderingKey;
  return { id: event.id, deliveryId, payload, orderingKey: carried, replayId };
}

/** What operators, logs and the database rely on. A message never holds what was sent. */
function expectWellFormed(outcome: SendOutcome): void {
  expect(Number.isSafeInteger(outcome.latencyMs) && outcome.latencyMs >= 0).toBe(true);
  if (outcome.kind === 'delivered') return;
  expect(outcome.code).toMatch(/^[a-z][a-z0-9_]*$/);
  expect(outcome.message).toMatch(/^\P{Cc}+$/u);
  expect(outcome.message).not.toContain('ord_1');
}
