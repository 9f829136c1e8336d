/** How long each kind of record is kept. What has its own reason to stay, stays longer: the purge's conditions say which. */

/** In the order in which they are purged: an order goes after its events. */
export const RETENTION_CLASSES = [
  'events',
  'orders',
  'requests',
  'workflowStarts',
  'participantReports',
  'providerCallbacks',
  'parkedSteps',
  'reconciliations',
  'replays',
  'redrives',
  'recipientDays',
  'groups',
  'saleCustomers',
] as const;
export type RetentionClass = (typeof RETENTION_CLASSES)[number];

/** Days; null is for ever. */
export interface Retention {
  /** Events, counted from their last delivery, with their deliveries and the messages that told of them. */
  eventDays: number;
  /** Orders with all that belongs to them, their keys and receipts too, counted from their last change. */
  orderDays: number | null;
  /** Keys of what came to nothing or was handed on: refused requests, enqueued workflows, participants' reports, groups of the flash lane. */
  keyDays: number;
  /**
   * What operators see of work that is over: resolved steps, reconciliations, replays, redrives, reports of unknown messages;
   * what each customer had of a sale.
   */
  operationDays: number;
}

/**
 * The longest manual retry, in days: somebody may reset a closed run and make it do its steps again for as long as Temporal
 * keeps it. 7 days as `npm run setup` makes the namespace, and at most 90 in Temporal Cloud. A receipt that is younger than
 * this is what keeps such a run from doing anything twice, so no receipt goes before. Source:
 * https://docs.temporal.io/temporal-service/temporal-server#retention-period
 */
export const LONGEST_MANUAL_RETRY_DAYS = 90;

export const DEFAULT_RETENTION: Readonly<Retention> = {
  // A year of events to replay.
  eventDays: 365,
  // Orders are books, and for how long books must be kept is not ours to guess.
  orderDays: null,
  keyDays: LONGEST_MANUAL_RETRY_DAYS,
  operationDays: 365,
};

/** Messages are counted for each number and day (UTC) for the daily cap; yesterday's count is for clocks that differ. */
const RECIPIENT_DAYS = 2;

const DAY_MS = 24 * 60 * 60 * 1_000;

/** For how many days a class is kept; null is for ever. Never below what its receipts are needed for. */
export function retentionDays(of: RetentionClass, retention: Retention): number | null {
  switch (of) {
    case 'events':
      return retention.eventDays;
    case 'orders':
      return retention.orderDays === null ? null : Math.max(retention.orderDays, LONGEST_MANUAL_RETRY_DAYS);
    case 'requests':
    case 'workflowStarts':
    case 'participantReports':
    case 'groups':
      return Math.max(retention.keyDays, LONGEST_MANUAL_RETRY_DAYS);
    case 'recipientDays':
      return RECIPIENT_DAYS;
    default:
      return retention.operationDays;
  }
}

/** RFC 3339: what is older may go; null: nothing ever. */
export function keptFrom(of: RetentionClass, retention: Retention, now: Date): string | null {
  const days = retentionDays(of, retention);
  return days === null ? null : new Date(now.getTime() - days * DAY_MS).toISOString();
}
