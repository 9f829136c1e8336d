import Ajv2020 from 'ajv/dist/2020';
import addFormats from 'ajv-formats';
import { openApiDocument } from '../../src/http/openapi';
import { ERROR_CODES } from '../../src/http/schemas';
import { newOrder } from './test-app';

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { responses: Record<string, unknown>; summary: string; security?: unknown[] }>
  >;
  components: { schemas: Record<string, object> };
}

const document = openApiDocument('1.2.3') as Document;

it('is a document of OpenAPI 3.1 with every route of this version', () => {
  const routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );

  expect(document.openapi).toBe('3.1.0');
  expect(routes.sort()).toEqual(
    [
      'POST /v1/orders',
      'GET /v1/orders',
      'GET /v1/orders/{orderId}',
      'GET /v1/orders/{orderId}/timeline',
      'GET /v1/orders/{orderId}/transaction',
      'POST /v1/orders/{orderId}/transaction',
      'POST /v1/orders/{orderId}/cancel',
      'POST /v1/orders/{orderId}/payments',
      'POST /v1/orders/{orderId}/refunds',
      'GET /v1/orders/{orderId}/refunds',
      'GET /v1/orders/{orderId}/refunds/{refundId}',
      'GET /v1/parked',
      'GET /v1/parked/{parkedId}',
      'POST /v1/parked/{parkedId}/resolve',
      'POST /v1/parked/resolve',
      'GET /v1/inventory',
      'GET /v1/inventory/{sku}',
      'PUT /v1/inventory/{sku}',
      'GET /v1/sales/{saleId}',
      'PUT /v1/sales/{saleId}',
      'POST /v1/sales/{saleId}/orders',
      ...['rules', 'targets', 'connections'].flatMap((noun) => [
        `GET /v1/${noun}`,
        `GET /v1/${noun}/{name}`,
        `PUT /v1/${noun}/{name}`,
        `DELETE /v1/${noun}/{name}`,
      ]),
      'POST /v1/rules/test',
      ...['rules', 'targets'].flatMap((noun) => [
        `POST /v1/${noun}/{name}/pause`,
        `POST /v1/${noun}/{name}/resume`,
      ]),
      'POST /v1/targets/{name}/test',
      'GET /v1/events',
      'POST /v1/events',
      'GET /v1/events/{eventId}',
      'GET /v1/deliveries',
      'GET /v1/deliveries/{deliveryId}',
      'POST /v1/deliveries/{deliveryId}/redrive',
      'POST /v1/deliveries/redrive',
      'GET /v1/redrives/{redriveId}',
      'GET /v1/replays',
      'POST /v1/replays',
      'GET /v1/replays/{replayId}',
      ...['pause', 'resume', 'cancel'].map((command) => `POST /v1/replays/{replayId}/${command}`),
      'GET /v1/reconciliations',
      'POST /v1/reconciliations',
      'GET /v1/reconciliations/{reconciliationId}',
      'GET /v1/notifications',
      'GET /v1/notifications/{notificationId}',
      'GET /v1/notifications/counts',
      'GET /v1/notifications/unknown-callbacks',
      'POST /v1/notifications/search',
      'POST /v1/notifications/{notificationId}/resend',
      'POST /v1/notifications/{notificationId}/cancel',
      'DELETE /v1/customers/{customerId}',
      ...['GET', 'PUT'].map((method) => `${method} /v1/customers/{customerId}/preferences`),
      ...['PUT', 'DELETE'].map((method) => `${method} /v1/customers/{customerId}/opt-outs/{channel}`),
      'GET /v1/templates',
      ...['GET', 'PUT'].map((method) => `${method} /v1/templates/{name}`),
      'GET /v1/templates/{name}/versions',
      'POST /v1/templates/{name}/test',
      'POST /webhooks/twilio/status',
      'POST /webhooks/twilio/inbound',
      ...['payments', 'stripe', 'carrier'].map((sender) => `POST /webhooks/${sender}`),
      'GET /metrics',
      'GET /healthz',
      'GET /readyz',
    ].sort(),
  );
});

it('gives every operation a summary and at least one answer', () => {
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item)) {
      expect(operation.summary).not.toBe('');
      expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
    }
  }
});

it('refers only to components that are there', () => {
  const references = JSON.stringify(document).match(/"#\/components\/schemas\/[^"]+"/g) ?? [];
  const names = references.map((reference) => reference.slice('"#/components/schemas/'.length, -1));

  expect(names.length).toBeGreaterThan(0);
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([...new Set(names)]));
});

it('names every code that an error can have', () => {
  const problem = document.components.schemas['Problem'] as { properties: { code: { enum: string[] } } };

  expect(problem.properties.code.enum).toEqual(ERROR_CODES);
});

it('has schemas that a JSON Schema validator takes and that accept what the service accepts', () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats(ajv);
  ajv.addSchema({ $id: 'document', components: document.components });
  for (const name of Object.keys(document.components.schemas)) {
    ajv.compile({ $ref: `document#/components/schemas/${name}` });
  }
  const isNewOrder = ajv.compile({ $ref: 'document#/components/schemas/NewOrder' });

  expect(isNewOrder(newOrder())).toBe(true);
  expect(isNewOrder(newOrder({ lines: [] }))).toBe(false);
  expect(isNewOrder(newOrder({ price: 1 }))).toBe(false);
});
