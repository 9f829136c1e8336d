import type { PhoneHash } from '../database/phone-hash';
import type { Places } from '../domain/orders';
import type { PaymentGateway } from '../gateways/payments';
import type { Logger } from '../log';
import { createDeliveryActivities, type DeliveryActivities, type DeliveryDeps } from './deliveries';
import { createNotificationActivities, type NotificationActivities } from './notifications';
import { createOrderActivities, type OrderActivities } from './orders';
import { createParkedActivities, type ParkedActivities } from './parked';
import { createPaymentActivities, type PaymentActivities } from './payments';
import { createReplayActivities, type ReplayActivities } from './replays';
import { createReconciliationActivities, type ReconciliationActivities } from './reconciliation';

import { createPurgeActivities, type PurgeActivities } from './purge';
import { createTargetTestActivities, type TargetTestActivities } from './target-tests';

/** Everything that a workflow may ask for. Each activity is idempotent by a business key. */
export type Activities = OrderActivities &
  PaymentActivities &
  DeliveryActivities &
  ReplayActivities &
  NotificationActivities &
  ParkedActivities &
  ReconciliationActivities &
  TargetTestActivities &
  PurgeActivities;

export interface ActivityDeps extends DeliveryDeps {
  gateway: PaymentGateway;
  places: Places;
  phoneHash: PhoneHash;
  log: Pick<Logger, 'warn' | 'error'>;
  eventRetentionDays: number;
}

export function createActivities(deps: ActivityDeps): Activities {
  return {
    ...createOrderActivities(deps),
    ...createPaymentActivities(deps),
    ...createDeliveryActivities(deps),
    ...createReplayActivities(deps),
    ...createNotificationActivities(deps),
    ...createParkedActivities(deps),
    ...createReconciliationActivities(deps),
    ...createTargetTestActivities(deps),
    ...createPurgeActivities(deps),
  };
}
