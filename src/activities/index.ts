import type { PhoneHash } from '../database/phone-hash';
import type { Decisions } from '../domain/decisions';
import type { Places } from '../domain/orders';
import type { Retention } from '../domain/retention';
import type { Participants } from '../domain/participants';
import type { Carrier } from '../gateways/carrier';
import type { Cart } from '../gateways/cart';
import type { PaymentGateway } from '../gateways/payments';
import type { PointsLedger } from '../gateways/points';
import type { Logger } from '../log';
import { createCartActivities, type CartActivities } from './carts';
import { createDeliveryActivities, type DeliveryActivities, type DeliveryDeps } from './deliveries';
import { createGroupActivities, type GroupActivities } from './groups';
import { createFulfilmentActivities, type FulfilmentActivities } from './fulfilment';
import { createNotificationActivities, type NotificationActivities } from './notifications';
import { createOrderActivities, type OrderActivities } from './orders';
import { createParkedActivities, type ParkedActivities } from './parked';
import { createPaymentActivities, type PaymentActivities } from './payments';
import { createPointsActivities, type PointsActivities } from './points';
import { createPurgeActivities, type PurgeActivities } from './purge';
import { createRefundActivities, type RefundActivities } from './refunds';
import { createReplayActivities, type ReplayActivities } from './replays';
import { createReconciliationActivities, type ReconciliationActivities } from './reconciliation';
import type { WorkflowRuns } from './reconciliation-runs';
import { createSaleActivities, type SaleActivities } from './sales';
import { createShipmentActivities, type ShipmentActivities } from './shipments';
import { createTargetTestActivities, type TargetTestActivities } from './target-tests';

/** Everything that a workflow may ask for. Each activity is idempotent by a business key. */
export type Activities = OrderActivities &
  PaymentActivities &
  RefundActivities &
  FulfilmentActivities &
  ShipmentActivities &
  PointsActivities &
  CartActivities &
  DeliveryActivities &
  GroupActivities &
  ReplayActivities &
  SaleActivities &
  NotificationActivities &
  ParkedActivities &
  ReconciliationActivities &
  TargetTestActivities &
  PurgeActivities;

export interface ActivityDeps extends DeliveryDeps {
  gateway: PaymentGateway;
  /** Where there is none, every call throws `ParticipantMissingError`. */
  carrier: Carrier;
  points: PointsLedger;
  cart: Cart;
  /** Which of them there are. */
  participants: Participants;
  places: Places;
  phoneHash: PhoneHash;
  decisions: Decisions;
  runs: WorkflowRuns;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  retention: Retention;
}

export function createActivities(deps: ActivityDeps): Activities {
  return {
    ...createOrderActivities(deps),
    ...createPaymentActivities(deps),
    ...createRefundActivities(deps),
    ...createFulfilmentActivities(deps),
    ...createShipmentActivities(deps),
    ...createPointsActivities(deps),
    ...createCartActivities(deps),
    ...createDeliveryActivities(deps),
    ...createGroupActivities(deps),
    ...createReplayActivities(deps),
    ...createSaleActivities(deps),
    ...createNotificationActivities(deps),
    ...createParkedActivities(deps),
    ...createReconciliationActivities(deps),
    ...createTargetTestActivities(deps),
    ...createPurgeActivities(deps),
  };
}
