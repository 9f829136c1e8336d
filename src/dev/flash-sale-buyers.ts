import { setTimeout as delay } from 'node:timers/promises';
import type { Chance } from './flash-sale-chance';
import type { Answer, ShopClient } from './flash-sale-client';
import type { WaitingRoom } from './flash-sale-room';
import { openTills, type Tills } from './flash-sale-tills';

/** What the crowd was told so far, for the screen and the report. */
export interface CrowdCounts {
  /** Requests for an order by what they were answered: `201`, `sold_out`, `429`, `503`, `none`, or another code. */
  answers: Map<string, number>;
  /** Buyers who have not come yet, or have gone, and what the others are at. */
  arrived: number;
  gone: number;
  /** Gave up without an answer after a minute of repeats. */
  unanswered: number;
}

export interface Crowd {
  readonly counts: CrowdCounts;
  /** Ids of the orders that buyers were told are theirs. */
  readonly accepted: ReadonlySet<string>;
  /** Resolves when everybody has what he came for, or has gone. */
  live(): Promise<void>;
}

export interface CrowdOptions {
  buyers: number;
  chance: Chance;
  client: ShopClient;
  room: WaitingRoom;
  sale: { saleId: string; sku: string };
  /** Seconds that a unit is held for its payment. */
  paymentDeadlineSeconds: number;
  /** Called at once with each order that is new. */
  onAccepted: (accepted: number) => void;
  signal: AbortSignal;
}

interface Buyer {
  number: number;
  /** Of the order that got the unit, from 1. */
  attempt: number;
  tills: Tills;
}

/** All come within this time of the opening. */
const RUSH_MS = 3_000;
/**
 * Of those who got a unit. Source: the task of the demo, 30 % of the payments fail. What is declined is put back at once; what
 * is never paid comes back at the deadline, and each deadline takes its time again: so those are fewer, and nobody who has
 * waited for a unit to come back is among them.
 */
const DECLINED_SHARE = 0.26;
const ABANDONED_SHARE = 0.04;
/** From "it is yours" to the payment. */
const THINK_MS = { least: 300, most: 3_000 };
/**
 * Payments at a time. Each starts a workflow, which costs tens of milliseconds of two cores: with hundreds at once the
 * development server of Temporal answers too late, and every payment is late. A shop's payment page is as careful.
 */
const TILLS = 8;
/** Until the payment is decided: a till is free only then. Longer than the shop takes over a process that was killed. */
const PAYMENT_SECONDS_MAX = 40;
/** The number of the sample order: valid, nobody's. */
const PHONE = '+15005550006';
const PRICE_MINOR = 9_900;

/** Buyers who behave as people and their browsers do; each has one key for each attempt to buy. */
export function createCrowd(options: CrowdOptions): Crowd {
  const { buyers, client, room, onAccepted, signal } = options;
  const counts: CrowdCounts = { answers: new Map(), arrived: 0, gone: 0, unanswered: 0 };
  const accepted = new Set<string>();
  const tills = openTills(TILLS);
  const hear = (answer: Answer | null): void => {
    const kind = kindOf(answer);
    counts.answers.set(kind, (counts.answers.get(kind) ?? 0) + 1);
  };

  const order = async (number: number, attempt: number): Promise<Answer | null> => {
    const answer = await client.insist(wishOf(options, number, attempt), hear);
    if (answer === null) counts.unanswered += 1;
    return answer;
  };
  const live = async (number: number): Promise<void> => {
    await delay(options.chance.lot(`arrival of ${number}`) * RUSH_MS);
    counts.arrived += 1;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const answer = await order(number, attempt);
      room.leave(number);
      if (answer?.status === 201) {
        const orderId = String(answer.body['orderId']);
        accepted.add(orderId);
        onAccepted(accepted.size);
        await payFor(options, { number, attempt, tills }, orderId);
        break;
      }
      if (answer?.code !== 'sold_out' || !(await room.wait(number))) break;
    }
    counts.gone += 1;
  };
  return {
    counts,
    accepted,
    live: async () => void (await Promise.all(Array.from({ length: buyers }, (_, number) => live(number)))),
  };
}

function kindOf(answer: Answer | null): string {
  if (answer === null) return 'none';
  if (answer.status === 429 || answer.status === 503) return String(answer.status);
  return answer.code ?? String(answer.status);
}

const customerOf = (number: number): string => `cus_${number}`;

function wishOf({ sale }: CrowdOptions, number: number, attempt: number) {
  return {
    path: `/v1/sales/${sale.saleId}/orders`,
    // A new attempt after "sold out" takes a new key: what was decided under the old one stays decided.
    key: `${sale.saleId}-${customerOf(number)}-${attempt}`,
    door: number,
    body: {
      customer: { id: customerOf(number), phone: PHONE, channels: ['sms'] },
      lines: [{ sku: sale.sku, quantity: 1, unitPriceMinor: PRICE_MINOR }],
      currency: 'EUR',
      payment: { mode: 'wait' },
    },
  };
}

const unheard = (): void => undefined;

/** Pays, is declined and puts the unit back, or closes the window and is never seen again. */
async function payFor(options: CrowdOptions, buyer: Buyer, orderId: string): Promise<void> {
  const { chance, paymentDeadlineSeconds } = options;
  const { number, attempt, tills } = buyer;
  const deadline = Date.now() + paymentDeadlineSeconds * 1_000;
  const lot = chance.lot(`payment of ${number}`);
  if (attempt === 1 && lot < ABANDONED_SHARE) return;
  await delay(chance.between(`thinking of ${number}`, THINK_MS.least, THINK_MS.most));
  const isBad = lot >= ABANDONED_SHARE && lot < ABANDONED_SHARE + DECLINED_SHARE;
  await tills.pay(async () => {
    // Too late: the unit is somebody else's by now.
    if (Date.now() > deadline || options.signal.aborted) return;
    const isDeclined = await pay(options, { number, orderId, method: isBad ? 'tok_declined' : 'tok_visa' });
    if (isBad && isDeclined) await putBack(options, { number, orderId });
  });
}

/** @returns true when the card was declined, or the money came too late */
async function pay(
  { client }: CrowdOptions,
  { number, orderId, method }: { number: number; orderId: string; method: string },
): Promise<boolean> {
  const path = `/v1/orders/${orderId}/payments`;
  const key = `payment-of-${orderId}`;
  const wish = { path, key, door: number, body: { method }, waitSeconds: PAYMENT_SECONDS_MAX };
  const answer = await client.insist(wish, unheard);
  return answer?.code === 'payment_declined';
}

async function putBack(
  { client }: CrowdOptions,
  { number, orderId }: { number: number; orderId: string },
): Promise<void> {
  const path = `/v1/orders/${orderId}/cancel`;
  await client.insist({ path, door: number, body: { reason: 'the card was declined' } }, unheard);
}
