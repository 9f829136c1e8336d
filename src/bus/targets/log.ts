import { envelopeText } from '../../domain/events';
import { InvalidTargetError } from '../../errors';
import type { Logger } from '../../log';
import { ConfigFields } from './config-fields';
import type { TargetKind } from './kind';
import type { Target } from './target';

/**
 * Writes one line per event: its id, type, rule and, when no transformer changed it, its text. Events carry no personal
 * data, but what a transformer makes of one may hold the customer's phone number, so that text is never logged; the line
 * says how long it was. Always delivered.
 */
export function createLogTarget(logger: Pick<Logger, 'info'>): Target {
  return {
    send: ({ event, payload, deliveryId, ruleName }) => {
      const unchanged = payload === envelopeText(event);
      logger.info(
        {
          eventId: event.id,
          eventType: event['detail-type'],
          rule: ruleName,
          deliveryId,
          ...(unchanged ? { payload } : { payloadBytes: Buffer.byteLength(payload) }),
        },
        `event ${event['detail-type']}`,
      );
      return Promise.resolve({ kind: 'delivered', status: null, latencyMs: 0 });
    },
    close: () => Promise.resolve(),
  };
}

/** The kind `log` of the registry. It has no settings. */
export const logKind: TargetKind = {
  properties: {},
  connections: [],
  validate: (config) => {
    const { errors } = new ConfigFields(config, []);
    if (errors.length > 0) throw new InvalidTargetError('The target is not valid.', { fields: errors });
    return {};
  },
  open: (_config, { logger }) => createLogTarget(logger),
};
