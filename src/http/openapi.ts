import { OpenApiGeneratorV31, OpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { connectionOperations } from './connections';
import { customerOperations } from './customers';
import { deliveryOperations } from './deliveries';
import { eventOperations } from './events';
import { inventoryOperations } from './inventory';
import { metricsOperations } from './metrics';
import { notificationOperations } from './notifications';
import { orderOperations } from './orders';
import { parkedOperations } from './parked';
import { participantWebhookOperations } from './participant-webhooks';
import { pausingOperations } from './pausing';
import { paymentOperations } from './payments';
import { preferenceOperations } from './preferences';
import { reconciliationOperations } from './reconciliations';
import { redriveOperations } from './redrives';
import { refundOperations } from './refunds';
import { replayOperations } from './replays';
import { ruleTrialOperations } from './rule-trials';
import { ruleOperations } from './rules';
import { saleOperations } from './sales';
import { ProblemDocument } from './schemas';
import { statusOperations } from './status';
import { targetOperations } from './targets';
import { templateTrialOperations } from './template-trials';
import { templateOperations } from './templates';
import { transactionOperations } from './transaction';
import { twilioWebhookOperations } from './twilio-webhooks';

const OPERATIONS = [
  ...orderOperations,
  ...transactionOperations,
  ...paymentOperations,
  ...refundOperations,
  ...parkedOperations,
  ...inventoryOperations,
  ...saleOperations,
  ...ruleOperations,
  ...ruleTrialOperations,
  ...targetOperations,
  ...pausingOperations,
  ...connectionOperations,
  ...eventOperations,
  ...deliveryOperations,
  ...redriveOperations,
  ...replayOperations,
  ...reconciliationOperations,
  ...templateOperations,
  ...templateTrialOperations,
  ...preferenceOperations,
  ...notificationOperations,
  ...customerOperations,
  ...twilioWebhookOperations,
  ...participantWebhookOperations,
  ...statusOperations,
  ...metricsOperations,
];

const DESCRIPTION = `Does what must happen after a database transaction commits. Money is whole minor units with an ISO 4217
code; times are RFC 3339 in UTC; errors are RFC 9457 problem documents whose \`code\` never changes its meaning.

A key tells who asks and what may be done. It does not hide one caller's orders from another: any key with
\`orders:read\` reads all orders. Without configured keys the service listens on loopback only and needs none.`;

/**
 * The OpenAPI 3.1 document, made of the schemas that check the requests.
 * @param publicUrl - where callers reach the service, for those who read the document elsewhere; null when nobody said
 */
export function openApiDocument(version: string, publicUrl: string | null = null): object {
  const registry = new OpenAPIRegistry();
  registry.register('Problem', ProblemDocument);
  registry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });
  for (const operation of OPERATIONS) registry.registerPath(operation);
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'aftercommit',
      version,
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }, ...(publicUrl === null ? [] : [{ url: publicUrl }])],
    security: [{ key: [] }],
  });
}
