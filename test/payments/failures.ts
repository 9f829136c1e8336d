/** One way in which the gateway fails, as it is planned for one order. */
export interface Failure {
  name: string;
  /** What is paid with. Default: a good card. */
  method?: string;
  /** Control documents of faults; they are aimed at the order. */
  faults?: readonly object[];
  /** Orders that it makes sense for. Default: both. */
  mode?: 'charge' | 'wait';
  /** What the customer does at the gateway. */
  customer?: 'approves' | 'refuses' | 'does_nothing' | 'pays_there_too' | 'pays_there_late';
  /** Strikes when the order's money goes back. */
  isOfRefund?: true;
  /** The payment runs into the order's deadline. */
  atDeadline?: true;
  /** Needs webhooks that arrive, or none that would tell what is to be found out. */
  needs?: 'webhooks' | 'silence';
  /** Its payments are looked up, because their keys are too old by then. */
  outlivesItsKey?: true;
}

const CALLS = ['authorize', 'capture'] as const;
const ANSWERS: readonly [string, object][] = [
  ['429', { action: '429', retryAfterSeconds: 1, times: 2 }],
  ['500 before', { action: '500_before', times: 2 }],
  ['500 before, stored', { action: '500_before', stored: true }],
  ['500 after', { action: '500_after', stored: false, times: 2 }],
  ['500 after, stored', { action: '500_after' }],
  ['cut before', { action: 'cut_before', times: 2 }],
  ['cut after', { action: 'cut_after', times: 2 }],
  ['time-out after', { action: 'timeout_after' }],
  ['late', { action: 'late' }],
  ['amount mismatch', { action: 'amount_mismatch' }],
];
/** Calls that are repeated for longer than the gateway knows their key: after 0, 0.5, 1.5, 3.5, 7.5 and 15.5 s. */
const UNTIL_FORGOTTEN = { action: '500_after', stored: false, times: 5 };

function answered(operation: string): Failure[] {
  return ANSWERS.map(([name, fault]) => ({
    name: `${operation}: ${name}`,
    faults: [{ operation, ...fault }],
  }));
}

const TAKING: readonly Failure[] = [
  { name: 'declined', method: 'tok_declined' },
  { name: 'insufficient funds', method: 'tok_insufficient_funds' },
  { name: '500 stored under each key', method: 'tok_error' },
  { name: 'capture refused', method: 'tok_capture_refused' },
  { name: 'answered after its time-out', method: 'tok_timeout_then_success' },
  ...CALLS.flatMap(answered),
  ...CALLS.map((operation) => ({
    name: `${operation}: until its key is forgotten`,
    faults: [{ operation, ...UNTIL_FORGOTTEN }],
    outlivesItsKey: true as const,
    needs: 'silence' as const,
  })),
  ...['429', '500_before', 'cut_before', 'timeout_after'].map((action) => ({
    name: `authorize: 500 after, stored; find: ${action}`,
    faults: [
      { operation: 'authorize', action: '500_after' },
      { operation: 'find', action },
    ],
    needs: 'silence' as const,
  })),
  ...['500_before', '500_after', 'cut_after', 'timeout_after'].map((action) => ({
    name: `capture refused; void: ${action}`,
    method: 'tok_capture_refused',
    faults: [{ operation: 'void', action }],
  })),
  { name: 'confirmation in a charge', method: 'tok_requires_action', mode: 'charge' },
];

const WAITING: readonly Failure[] = [
  { name: 'confirmed late', method: 'tok_requires_action', customer: 'approves' },
  { name: 'confirmation refused', method: 'tok_requires_action', customer: 'refuses' },
  { name: 'never confirmed', method: 'tok_requires_action', customer: 'does_nothing' },
  { name: 'in flight at the deadline', method: 'tok_timeout_then_success', atDeadline: true as const },
  { name: 'paid twice', customer: 'pays_there_too' as const, needs: 'webhooks' as const },
  { name: 'paid after the end', customer: 'pays_there_late' as const, needs: 'webhooks' as const },
].map((failure) => ({ ...failure, mode: 'wait' }) as Failure);

const GIVING_BACK: readonly Failure[] = [
  { name: 'refund refused', method: 'tok_refund_refused', isOfRefund: true },
  ...answered('refund').map((failure) => ({ ...failure, isOfRefund: true as const })),
  {
    name: 'refund: until its key is forgotten',
    faults: [{ operation: 'refund', ...UNTIL_FORGOTTEN }],
    isOfRefund: true,
    outlivesItsKey: true,
  },
];

/** Every way that the simulated gateway can fail. */
export const FAILURES: readonly Failure[] = [...TAKING, ...WAITING, ...GIVING_BACK];
