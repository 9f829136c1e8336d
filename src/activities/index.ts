import type { Places } from '../domain/orders';
import type { PaymentGateway } from '../gateways/payments';
import { createDeliveryActivities, type DeliveryActivities, type DeliveryDeps } from './deliveries';
import { createNotificationActivities, type NotificationActivities } from './notifications';
import { createOrderActivities, type OrderActivities } from './orders';
import { createParkedActivities, type ParkedActivities } from './parked';
import { createPaymentActivities, type PaymentActivities } from './payments';
import { createReconciliationActivities, type ReconciliationActivities } from './reconciliation';

/** Everything that a workflow may ask for. Each activity is idempotent by a business key. */
export type Activities = OrderActivities &
  PaymentActivities &
  DeliveryActivities &
  NotificationActivities &
  ParkedActivities &
  ReconciliationActivities;

export interface ActivityDeps extends DeliveryDeps {
  gateway: PaymentGateway;
  places: Places;
}

export function createActivities(deps: ActivityDeps): Activities {
  return {
    ...createOrderActivities(deps),
    ...createPaymentActivities(deps),
    ...createDeliveryActivities(deps),
    ...createNotificationActivities(deps),
    ...createParkedActivities(deps),
    ...createReconciliationActivities(deps),
  };
}
