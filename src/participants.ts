import type { ActivityDeps } from './activities';
import type { Config } from './config';
import type { Participants } from './domain/participants';
import { absentCarrier, absentCart, absentPointsLedger } from './gateways/absent';
import { createCarrierWebhooks } from './gateways/carrier-webhooks';
import { createHttpCarrier } from './gateways/http-carrier';
import { createHttpCart } from './gateways/http-cart';
import { createHttpPaymentGateway } from './gateways/http-payments';
import { createHttpPointsLedger } from './gateways/http-points';
import { createPaymentWebhooks } from './gateways/payment-webhooks';
import type { PaymentGateway } from './gateways/payments';
import { createStripePaymentGateway } from './gateways/stripe-payments';
import { createStripeWebhooks } from './gateways/stripe-webhooks';
import type { ParticipantWebhooks } from './http/deps';

type Opened = Pick<ActivityDeps, 'gateway' | 'carrier' | 'points' | 'cart'>;

/** The participants of an order, as configured. No call is made. Closed in the opposite order. */
export function openParticipants(config: Config, now: () => Date): Opened & { close(): Promise<void> } {
  const gateway = openGateway(config, now);
  const carrier = config.carrier === null ? absentCarrier() : createHttpCarrier(config.carrier);
  const points = config.points === null ? absentPointsLedger() : createHttpPointsLedger(config.points);
  const cart = config.cart === null ? absentCart() : createHttpCart(config.cart);
  return {
    gateway,
    carrier,
    points,
    cart,
    async close() {
      for (const participant of [cart, points, carrier, gateway]) await participant.close();
    },
  };
}

function openGateway({ payment }: Config, now: () => Date): PaymentGateway {
  if (payment.kind === 'http') return createHttpPaymentGateway(payment);
  const { secretKey: apiKey, baseUrl, returnUrl, timeoutMs } = payment;
  return createStripePaymentGateway({
    apiKey,
    timeoutMs,
    now,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(returnUrl === undefined ? {} : { returnUrl }),
  });
}

/** Which participants there are. */
export function participantsOf({ carrier, points, cart }: Config): Participants {
  return { carrier: carrier !== null, points: points !== null, cart: cart !== null };
}

/** What reads participants' webhooks and knows them from anybody else's. */
export function openParticipantWebhooks(
  { webhookSecrets }: Pick<Config, 'webhookSecrets'>,
  now: () => Date,
): ParticipantWebhooks {
  const { payments, stripe, carrier } = webhookSecrets;
  return {
    payments: payments.length === 0 ? null : createPaymentWebhooks({ secrets: payments, now }),
    stripe: stripe.length === 0 ? null : createStripeWebhooks({ secrets: stripe, now }),
    carrier: carrier.length === 0 ? null : createCarrierWebhooks({ secrets: carrier, now }),
  };
}
