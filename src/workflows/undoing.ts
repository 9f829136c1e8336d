import { createCompensations } from './compensations';
import { refresh, type OrderRun } from './order-run';
import { untilResolved } from './parked';
import { carryOutRefund } from './refunds';
import { cancelShipment, endOrder, restoreCart, reversePoints, undoPayment } from './steps';

/**
 * Undoes an order, last step first. Each step's row was written before the step, in the transaction that made it due; so
 * whatever run comes here, after any crash, knows every step that may have happened. What was never begun is fenced.
 */
export async function undoOrder(run: OrderRun): Promise<void> {
  const { orderId } = run;
  const { epoch, ending, paymentId, fulfilment } = run.progress;
  const { shipment, points, cart } = fulfilment;
  const compensations = createCompensations({
    // Giving an undo up and doing it by hand are the same for the others: they are carried out.
    park: async (step, reason) =>
      (await untilResolved({ orderId, step, reason })) === 'retry' ? 'retry' : 'skip',
  });

  compensations.add(`commit:${orderId}`, () => endOrder({ orderId, epoch, ending: ending! }));
  if (paymentId !== null) compensations.add(`pay:${paymentId}`, () => giveBack(orderId, paymentId));
  if (cart !== null) compensations.add(`cart:${orderId}`, () => restoreCart({ orderId }));
  if (points !== null) compensations.add(`points:${points.entryId}`, () => reversePoints({ orderId }));
  if (shipment !== null) compensations.add(`ship:${shipment.shipmentId}`, () => cancelShipment({ orderId }));
  await compensations.run();

  await refresh(run);
}

async function giveBack(orderId: string, paymentId: string): Promise<void> {
  const { refundId } = await undoPayment({ orderId, paymentId });
  if (refundId !== null) await carryOutRefund({ refundId, orderId });
}
