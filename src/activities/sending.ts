import { setTimeout as delay } from 'node:timers/promises';
import { compileTransformer, TemplateError, type TransformerConfig } from '../bus/transformer';
import type { SendOutcome, TargetRequest } from '../bus/targets/target';
import { envelopeText } from '../domain/events';
import { AppError, MissingDriverError } from '../errors';
import { readContact } from '../database/customers';
import { postponeDeliveries, type ClaimedDelivery } from '../database/deliveries';
import type { Pool } from '../database/pool';
import { takeShare } from '../database/target-rates';
import { recordOutcomes, type OutcomeDeps } from './delivery-outcomes';
import type { OpenTarget, TargetBook } from './targets';

/** A share of a rate that begins later than this is not waited for: the deliveries go back until then. */
const RATE_WAIT_MS_MAX = 1_000;
/** Claims are held for so long at most while their shares begin one after another; the rest goes back. */
const SHARES_MS_MAX = 5_000;
/** Sends of one share: a tenth of a second's, so that a rate is kept over short times too. */
const SHARES_PER_SECOND = 10;

export interface SendingDeps extends OutcomeDeps {
  targets: TargetBook;
}

/** Another rate that sends must keep, beside their target's own. */
export interface Rate {
  name: string;
  perSecond: number;
}

/** Makes one attempt for each claimed delivery, target by target at once, and stores what came of it. */
export async function sendClaimed(
  deps: SendingDeps,
  claimed: readonly ClaimedDelivery[],
  how: { claimedBy: string; rate?: Rate },
): Promise<void> {
  const byTarget = new Map<string, ClaimedDelivery[]>();
  for (const delivery of claimed) {
    byTarget.set(delivery.targetName, [...(byTarget.get(delivery.targetName) ?? []), delivery]);
  }
  await Promise.all(
    [...byTarget].map(([name, deliveries]) => sendToTarget(deps, { name, deliveries, ...how })),
  );
}

interface TargetSends {
  name: string;
  deliveries: readonly ClaimedDelivery[];
  claimedBy: string;
  rate?: Rate;
}

async function sendToTarget(deps: SendingDeps, sends: TargetSends): Promise<void> {
  const { claimedBy, deliveries } = sends;
  const open = await openTarget(deps, sends.name);
  if ('kind' in open) {
    const outcomes = deliveries.map(() => open);
    return recordOutcomes(deps, { claimedBy, deliveries, outcomes });
  }
  const rates = ratesOf(sends, open);
  if (rates.length === 0) return sendAll(deps, { open, deliveries, claimedBy });
  const slowest = Math.min(...rates.map((rate) => rate.perSecond));
  const shareSize = Math.max(1, Math.floor(slowest / SHARES_PER_SECOND));
  const deadline = performance.now() + SHARES_MS_MAX;
  for (let start = 0; start < deliveries.length; start += shareSize) {
    const share = deliveries.slice(start, start + shareSize);
    const isLate = performance.now() > deadline;
    const waitMs = isLate ? null : await takeShares(deps.pool, rates, share.length);
    if (waitMs === null) {
      const rest = deliveries.slice(start);
      // Spread over a second more, so that those who were sent away do not all come back at once.
      const backInMs = RATE_WAIT_MS_MAX * (1 + deps.random());
      return postponeDeliveries(deps.pool, claimedBy, rest, backInMs);
    }
    if (waitMs > 0) await delay(waitMs);
    await sendAll(deps, { open, deliveries: share, claimedBy });
  }
}

function ratesOf(sends: TargetSends, open: OpenTarget): Rate[] {
  const own = open.ratePerSecond === null ? [] : [{ name: sends.name, perSecond: open.ratePerSecond }];
  return sends.rate === undefined ? own : [...own, sends.rate];
}

/** @returns the longest of the waits, or null when one of the rates is used up */
async function takeShares(pool: Pool, rates: readonly Rate[], sends: number): Promise<number | null> {
  let waitMs = 0;
  for (const { name, perSecond } of rates) {
    const share = await takeShare(pool, { name, perSecond, sends, waitMsMax: RATE_WAIT_MS_MAX });
    if (share === null) return null;
    waitMs = Math.max(waitMs, share);
  }
  return waitMs;
}

/**
 * A target that cannot be opened as it is stored holds up its own deliveries only: they are tried again, for it may be
 * mended, and end as dead letters by their age. One that was deleted or disabled ends them at once.
 */
async function openTarget(deps: SendingDeps, name: string): Promise<OpenTarget | SendOutcome> {
  const none = { status: null, latencyMs: 0 };
  const dead = (code: string, message: string): SendOutcome => ({ ...none, kind: 'dead', code, message });
  try {
    const target = await deps.targets.open(name);
    if (target === null) return dead('target_missing', 'The target was deleted.');
    return target.state === 'DISABLED'
      ? dead(
          'target_disabled',
          'The target is disabled: its receiver said that it is gone. Mend it and resume it.',
        )
      : target;
  } catch (error) {
    if (!(error instanceof AppError) || error.retryable) throw error;
    return { ...none, kind: 'retry', code: error.code, message: error.message };
  }
}

interface OpenSends {
  open: OpenTarget;
  deliveries: readonly ClaimedDelivery[];
  claimedBy: string;
}

/** All at once: in batches where the target takes them, else one by one. Each is recorded as soon as it is known. */
async function sendAll(deps: SendingDeps, { open, deliveries, claimedBy }: OpenSends): Promise<void> {
  const { batch } = open.target;
  const size = deliveries.length > 1 ? (batch?.maximumEvents ?? 1) : 1;
  const parts: ClaimedDelivery[][] = [];
  for (let start = 0; start < deliveries.length; start += size)
    parts.push(deliveries.slice(start, start + size));
  await Promise.all(
    parts.map(async (part) => {
      const outcomes = await attempt(deps, open, part);
      await recordOutcomes(deps, { claimedBy, deliveries: part, outcomes, policy: open.retry });
    }),
  );
}

/** One call for one delivery, or one for several. An event whose template fails is not sent with the others. */
async function attempt(
  deps: SendingDeps,
  open: OpenTarget,
  deliveries: readonly ClaimedDelivery[],
): Promise<SendOutcome[]> {
  const { target } = open;
  const prepared = await Promise.all(deliveries.map((delivery) => requestOf(deps, delivery, open)));
  const requests = prepared.filter((request) => 'payload' in request);
  const sent =
    requests.length > 1 && target.batch !== undefined
      ? await target.batch.send(requests)
      : await Promise.all(requests.map((request) => target.send(request)));
  const outcomes = sent.values();
  return prepared.map((request) => ('payload' in request ? outcomes.next().value! : request));
}

async function requestOf(
  deps: SendingDeps,
  delivery: ClaimedDelivery,
  open: OpenTarget,
): Promise<TargetRequest | SendOutcome> {
  const { event, deliveryId, ruleName, orderingKey, replayId } = delivery;
  try {
    const payload = await payloadOf(deps, delivery, open);
    return { event, payload, deliveryId, ruleName, orderingKey, replayId };
  } catch (error) {
    const none = { status: null, latencyMs: 0 };
    if (error instanceof TemplateError)
      return { ...none, kind: 'dead', code: 'template_error', message: error.message };
    // Another worker may have the package, or this one may get it.
    if (error instanceof MissingDriverError)
      return { ...none, kind: 'retry', code: error.code, message: error.message };
    throw error;
  }
}

async function payloadOf(
  deps: SendingDeps,
  delivery: ClaimedDelivery,
  { takesPersonalData }: OpenTarget,
): Promise<string> {
  const { event, ruleName, transformer } = delivery;
  if (transformer === null) return envelopeText(event);
  // Frozen as it was when the rule was stored, and that was checked by the same compiler.
  const compiled = compileTransformer(transformer as TransformerConfig);
  // Refused when the rule was stored; the target may have become another kind since.
  if (compiled.usesCustomer && !takesPersonalData)
    throw new TemplateError(
      'This kind of target keeps what it gets: no template for it may name the customer.',
    );
  const { orderId } = event.detail;
  const customer =
    compiled.usesCustomer && orderId !== undefined ? await readContact(deps.pool, orderId) : null;
  return compiled.render(event, { ruleName, customer });
}
