import type { Evidence, Invariant, Violation } from './evidence';
import { noLoss, noPhantom } from './invariants/deliveries';
import { noNotifyRollback, notifyAccounted, notifyOne } from './invariants/notifications';
import { comp } from './invariants/compensations';
import { fulfil } from './invariants/fulfilment';
import { live, oneOrder, stock } from './invariants/orders';
import { payNet, payOne } from './invariants/payments';
import { oversell } from './invariants/sales';
import { outbox, terminal } from './invariants/transitions';
import { nonVacuous, pii } from './invariants/run';

export { readLog, readLogs, type Evidence, type Violation } from './evidence';

/** Every invariant that is checked once the system is at rest. Source: reliability, section 1. */
export const INVARIANTS: readonly Invariant[] = [
  stock,
  oversell,
  oneOrder,
  outbox,
  terminal,
  live,
  noLoss,
  noPhantom,
  noNotifyRollback,
  notifyOne,
  notifyAccounted,
  payOne,
  payNet,
  fulfil,
  comp,
  pii,
  nonVacuous,
];

/** Checks all of them, one after the other, on what the database and the providers' logs say now. */
export async function check(evidence: Evidence): Promise<Violation[]> {
  const violations: Violation[] = [];
  for (const { name, find } of INVARIANTS) {
    for (const detail of await find(evidence)) violations.push({ name, detail });
  }
  return violations;
}
