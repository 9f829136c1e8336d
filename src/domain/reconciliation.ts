/**
 * What reconciliation looks for. Each detector belongs to one of the four classes of the source documents ("over-retry,
 * business exceptions, idempotency failures, outages"), and says what becomes of what it finds.
 */

export type FindingClass = 'over_retried' | 'business_exception' | 'idempotency_failure' | 'outage';
export type Severity = 'low' | 'medium' | 'high';
export type ReconciliationKind = 'light' | 'full' | 'rebuild';
export type FindingAction = 'none' | 'repaired' | 'parked' | 'reported';

/**
 * `restart`: the workflow that should work on it is started or woken. `mend`: one right answer, written in one transaction.
 * `park`: a person decides. `report`: a person should know, and nothing is broken.
 */
export type Remedy = 'restart' | 'mend' | 'park' | 'report';

/** Whom a detector asks. What does not answer leaves its own detectors out and no others. */
export const SOURCES = ['database', 'temporal', 'payments', 'carrier', 'messages'] as const;
export type Source = (typeof SOURCES)[number];

export interface Detector {
  class: FindingClass;
  severity: Severity;
  remedy: Remedy;
  source: Source;
  /** True when the light run looks for it too. */
  isLight: boolean;
  /** What is younger is most likely still being worked on. Milliseconds. */
  graceMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Longer than a commit's deadline (2 min). */
const WORK_MS = 150_000;
/** Longer than a charge may take (5 min), twice. */
const PAYMENT_MS = 10 * MINUTE_MS;
/** A participant that is away is asked again for that long before anybody is told. */
const PARTICIPANT_MS = 30 * MINUTE_MS;
/** Nobody is told of a parked step before somebody could have looked at it. */
const OPERATOR_MS = 24 * HOUR_MS;

const restart = (graceMs: number): Detector => ({
  class: 'outage',
  severity: 'medium',
  remedy: 'restart',
  source: 'database',
  isLight: true,
  graceMs,
});

const full = (
  of: FindingClass,
  remedy: Remedy,
  severity: Severity,
  graceMs: number,
  source: Source = 'database',
): Detector => ({ class: of, severity, remedy, source, isLight: false, graceMs });

/** Every detector by its name. What each finds in words, and what to do about it: docs/reconciliation.md. */
export const DETECTORS = {
  // Nobody works on it.
  undecided_request: restart(WORK_MS),
  unrouted_event: restart(WORK_MS),
  waiting_delivery: restart(WORK_MS),
  stale_delivery: restart(WORK_MS),
  neglected_notification: restart(WORK_MS),
  stale_attempt: restart(WORK_MS),
  pending_refund: restart(PAYMENT_MS),
  stalled_replay: restart(WORK_MS),
  unfinished_group: restart(HOUR_MS),
  unfinished_sale: restart(WORK_MS),
  unstarted_workflow: restart(WORK_MS),
  overdue_order: restart(PAYMENT_MS),
  unfinished_charge: restart(PAYMENT_MS),
  unsettled_capture: { ...restart(PAYMENT_MS), severity: 'high' },
  unfinished_undo: { ...restart(PAYMENT_MS), severity: 'high' },
  unfinished_fulfilment: restart(PARTICIPANT_MS),
  unheard_decision: restart(WORK_MS),
  // The database contradicts itself.
  missing_event: full('outage', 'mend', 'high', WORK_MS),
  event_gap: full('outage', 'park', 'high', WORK_MS),
  unmarked_event: full('outage', 'mend', 'low', WORK_MS),
  early_published_event: full('outage', 'mend', 'medium', WORK_MS),
  leaked_reservation: full('outage', 'mend', 'high', WORK_MS),
  reservation_short: full('business_exception', 'park', 'high', WORK_MS),
  sold_short: full('business_exception', 'park', 'high', WORK_MS),
  sale_counters: full('outage', 'park', 'high', WORK_MS),
  refund_total_mismatch: full('idempotency_failure', 'mend', 'high', WORK_MS),
  order_without_receipt: full('idempotency_failure', 'park', 'high', WORK_MS),
  receipt_without_order: full('idempotency_failure', 'park', 'high', WORK_MS),
  capture_to_return: full('business_exception', 'mend', 'high', PAYMENT_MS),
  unattended_refund: full('business_exception', 'restart', 'high', WORK_MS),
  doubled_message: full('idempotency_failure', 'report', 'medium', WORK_MS),
  unowned_report: full('idempotency_failure', 'park', 'medium', PARTICIPANT_MS),
  parked_too_long: full('business_exception', 'report', 'medium', OPERATOR_MS),
  refused_fulfilment: full('business_exception', 'report', 'low', WORK_MS),
  over_retried_delivery: full('over_retried', 'report', 'low', 0),
  over_retried_payment: full('over_retried', 'report', 'medium', 0),
  over_retried_refund: full('over_retried', 'report', 'medium', 0),
  over_retried_message: full('over_retried', 'report', 'low', 0),
  over_retried_start: full('over_retried', 'report', 'medium', 0),
  // Database and Temporal.
  order_without_run: full('outage', 'restart', 'high', WORK_MS, 'temporal'),
  epoch_conflict: full('outage', 'mend', 'high', WORK_MS, 'temporal'),
  run_of_ended_order: full('outage', 'restart', 'medium', HOUR_MS, 'temporal'),
  run_without_order: full('outage', 'park', 'high', PAYMENT_MS, 'temporal'),
  over_retried_step: full('over_retried', 'report', 'medium', WORK_MS, 'temporal'),
  // Database and payment gateway.
  unknown_capture: full('business_exception', 'park', 'high', PAYMENT_MS, 'payments'),
  unrecorded_capture: full('business_exception', 'mend', 'high', PAYMENT_MS, 'payments'),
  doubled_capture: full('idempotency_failure', 'park', 'high', PAYMENT_MS, 'payments'),
  capture_mismatch: full('business_exception', 'park', 'high', PAYMENT_MS, 'payments'),
  missing_capture: full('business_exception', 'park', 'high', PAYMENT_MS, 'payments'),
  unknown_refund: full('idempotency_failure', 'park', 'high', PAYMENT_MS, 'payments'),
  missing_refund: full('business_exception', 'park', 'high', PAYMENT_MS, 'payments'),
  leftover_authorization: full('business_exception', 'mend', 'medium', HOUR_MS, 'payments'),
  // Database and carrier.
  shipment_behind: full('outage', 'restart', 'medium', PARTICIPANT_MS, 'carrier'),
  shipment_not_cancelled: full('business_exception', 'park', 'high', PARTICIPANT_MS, 'carrier'),
  missing_shipment: full('business_exception', 'park', 'high', PARTICIPANT_MS, 'carrier'),
  // Database and message provider.
  unowned_message: full('idempotency_failure', 'park', 'medium', PARTICIPANT_MS, 'messages'),
} as const satisfies Record<string, Detector>;

export type DetectorName = keyof typeof DETECTORS;

export const DETECTOR_NAMES = Object.keys(DETECTORS) as DetectorName[];

export function detectorOf(name: DetectorName): Detector {
  return DETECTORS[name];
}

/** Whom a run asks, in order: what the database knows first, because much of the rest follows from it. */
export function sourcesOf(kind: ReconciliationKind): readonly Source[] {
  return kind === 'full' ? SOURCES : ['database'];
}

/** The detectors of a run that ask this source. A rebuild is none of them: it restarts whatever is open. */
export function detectorsOf(kind: 'light' | 'full', source: Source): DetectorName[] {
  return DETECTOR_NAMES.filter((name) => {
    const detector = detectorOf(name);
    return detector.source === source && (kind === 'full' || detector.isLight);
  });
}

/** What a detector found. `subject` names the object and tells two findings apart. */
export interface Suspect {
  /** For instance `order:5b0c…`. It carries what makes the finding this one, so that a new damage is a new finding. */
  subject: string;
  orderId: string | null;
  /** Ids, states, amounts and times; no personal data. */
  detail: Record<string, unknown>;
}

export interface Finding extends Suspect {
  detector: DetectorName;
}

/** `payment:5b0c…` → `5b0c…`. @throws RangeError for a subject of another kind: a bug in a detector */
export function subjectId(subject: string, kind: string): string {
  if (!subject.startsWith(`${kind}:`)) throw new RangeError(`the subject is no ${kind}`);
  return subject.slice(kind.length + 1);
}

/** Attempts after which somebody should know, though nothing is given up. */
export const OVER_RETRIED = {
  /** A delivery's retries come at most 15 minutes apart: half a day. */
  delivery: 50,
  /** Every burnt key was a failure that the gateway stored. */
  paymentKeys: 3,
  refundKeys: 4,
  /** Claims of one message. */
  message: 20,
  start: 20,
  /** An activity's retries come at most 30 s apart: about an hour. */
  step: 120,
} as const;

/** Repairs that did not hold, in as many full runs: then somebody has to look. */
export const REPAIRS_MAX = 3;
