import { proxyActivities } from '@temporalio/workflow';
import { createCompensations } from 'aftercommit/saga';
import type { BookingActivities } from './activities';

/** Database steps and undos have no deadline: what is owed stays owed. */
const { releaseSeat, issueTicket, voidTicket, cancelCharge } = proxyActivities<BookingActivities>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '200ms', maximumInterval: '5s' },
});

/** The payment service is told by the bus, and asked here. A seat is held this long for an answer. */
const { awaitCharge } = proxyActivities<BookingActivities>({
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '15m',
  retry: { initialInterval: '200ms', maximumInterval: '2s' },
});

export type BookingEnd = { state: 'TICKETED'; ticket: string } | { state: 'CANCELLED'; code: string };

/** book seat → charge → issue ticket. `flight-booking/{bookingId}`; enqueued by the transaction that took the seat. */
export async function bookingWorkflow({ bookingId }: { bookingId: string }): Promise<BookingEnd> {
  const compensations = createCompensations();
  let code = 'cancelled';
  compensations.add('release seat', () => releaseSeat({ bookingId, code }));
  const charge = await compensations.step('charge', {
    do: () => awaitCharge({ bookingId }),
    undo: () => cancelCharge({ bookingId }),
  });
  const last =
    charge.kind !== 'done'
      ? charge
      : await compensations.step('issue ticket', {
          do: () => issueTicket({ bookingId }),
          undo: () => voidTicket({ bookingId }),
        });
  if (last.kind === 'done') return { state: 'TICKETED', ticket: last.value.ticket };
  code = last.code;
  await compensations.run();
  return { state: 'CANCELLED', code };
}
