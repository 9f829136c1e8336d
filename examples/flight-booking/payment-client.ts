/** What the booking service knows of the payment service. */

export interface Charge {
  amountMinor: number;
  currency: string;
}

/** A call that takes longer has no answer; the activity is repeated. */
const TIMEOUT_MS = 5_000;

/**
 * What became of the charge of a booking.
 * @throws Error while there is no answer, or it is undecided: Temporal asks again
 */
export async function readCharge(
  paymentsUrl: string,
  bookingId: string,
): Promise<Charge | { kind: 'refused'; code: string }> {
  const answer = await fetch(`${paymentsUrl}/charges/${bookingId}`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (answer.status === 404) throw new Error('the payment service has not decided yet');
  if (!answer.ok) throw new Error(`the payment service answered ${answer.status}`);
  return (await answer.json()) as Charge | { kind: 'refused'; code: string };
}

/**
 * Takes the charge of a booking back. Safe when there was none: then it never comes.
 * @throws Error when there is no answer: repeat
 */
export async function undoCharge(paymentsUrl: string, bookingId: string): Promise<void> {
  const url = `${paymentsUrl}/charges/${bookingId}`;
  const answer = await fetch(url, { method: 'DELETE', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`the payment service answered ${answer.status}`);
}
