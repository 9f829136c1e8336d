import type * as EventBridge from '@aws-sdk/client-eventbridge';
import { envelopeText } from '../../domain/events';
import { awsClientSettings, withoutRetries } from './aws-client';
import { AWS_PROPERTIES, parseArn, readAwsSettings, type AwsSettings } from './aws-config';
import { checkedSettings } from './common-settings';
import { createAwsTarget, type EntryResult } from './aws-target';
import { ConfigFields } from './config-fields';
import { loadDriver } from './driver';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { Target, TargetRequest } from './target';

/** An event bus, checked, and what every kind of AWS's has. */
export interface EventBridgeTargetConfig extends AwsSettings {
  /** Its name or its ARN. */
  eventBusName: string;
}

const PROPERTIES = {
  eventBusName: { type: 'string', example: 'orders' },
  ...AWS_PROPERTIES,
};

/** Names of event buses. Source: EventBridge API reference, CreateEventBus. */
const BUS_NAME = /^[/._\-A-Za-z0-9]{1,256}$/;
const BUS_RESOURCE = /^event-bus\/[/._\-A-Za-z0-9]{1,256}$/;
const EVENT_BUS = {
  pattern: /^/,
  lengthMax: 400,
  message: 'This must be the name of an event bus or arn:aws:events:<region>:<account>:event-bus/<name>.',
};

/**
 * @param config - parsed JSON
 * @throws InvalidTargetError (not retryable) with a pointer per mistake
 */
export function parseEventBridgeTargetConfig(config: unknown): EventBridgeTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  const eventBusName = fields.text('eventBusName', EVENT_BUS);
  const arn = parseArn(eventBusName);
  const isArn = arn?.service === 'events' && BUS_RESOURCE.test(arn.resource);
  if (eventBusName !== '' && !isArn && !BUS_NAME.test(eventBusName)) {
    fields.refuse(['eventBusName'], EVENT_BUS.message);
  }
  return checkedSettings({ eventBusName, ...readAwsSettings(fields, arn?.region) }, fields);
}

/**
 * An event bus of EventBridge. Source, DetailType and Time are the event's. The Detail is the event's `detail`, with `seq`
 * in it, so that rules there match as rules here do; when a transformer made the payload, it is that, which must be a JSON
 * object. EventBridge gives each entry an id of its own, also a repeat, and has no headers: what a receiver tells repeats by
 * is in `resources` (see resourcesOf), which rules can match too. EventBridge keeps no order; `seq` tells it.
 * An answer's body is read within the attempt's time, without a cap.
 * @param config - what `parseEventBridgeTargetConfig` returned
 */
export function createEventBridgeTarget(config: EventBridgeTargetConfig, deps: OpenTargetDeps): Target {
  const driver = loadDriver<typeof EventBridge>('@aws-sdk/client-eventbridge', 'eventbridge');
  const client = withoutRetries(new driver.EventBridgeClient(awsClientSettings(config, deps)));
  return createAwsTarget(
    {
      notFoundCode: 'unknown_event_bus',
      refusal: (request) => (detailOf(request) === null ? INVALID_PAYLOAD : null),
      call: async (requests, abortSignal) => {
        const Entries = requests.map((request) => ({
          EventBusName: config.eventBusName,
          Source: request.event.source,
          DetailType: request.event['detail-type'],
          Time: new Date(request.event.time),
          Detail: detailOf(request) ?? '',
          Resources: resourcesOf(request),
        }));
        const command = new driver.PutEventsCommand({ Entries });
        return resultsOf(await client.send(command, { abortSignal }));
      },
      refreshCredentials: () => client.config.credentials({ forceRefresh: true }),
      destroy: () => client.destroy(),
    },
    { timeoutMs: config.timeoutMs, maximumEvents: config.batch.maximumEvents, now: deps.now ?? Date.now },
  );
}

/** The kind `eventbridge` of the registry. */
export const eventBridgeKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['aws'],
  validate: parseEventBridgeTargetConfig,
  open: (config, deps) => createEventBridgeTarget(parseEventBridgeTargetConfig(config), deps),
};

const INVALID_PAYLOAD = { code: 'invalid_payload', message: 'The payload is not a JSON object.' };

/** `aftercommit:<what>:<value>`, in this order. */
function resourcesOf({ event, deliveryId, ruleName, orderingKey, replayId }: TargetRequest): string[] {
  return [
    `aftercommit:event:${event.id}`,
    `aftercommit:delivery:${deliveryId}`,
    `aftercommit:rule:${ruleName}`,
    `aftercommit:key:${orderingKey}`,
    ...(replayId === null ? [] : [`aftercommit:replay:${replayId}`]),
  ];
}

function detailOf({ event, payload }: TargetRequest): string | null {
  if (payload === envelopeText(event)) return JSON.stringify(event.detail);
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? payload : null;
  } catch {
    return null;
  }
}

/**
 * Errors of entries that a repeat may overcome; all others are the sender's fault. Source: EventBridge API reference,
 * PutEventsResultEntry.
 */
const TRANSIENT = /^(Internal|Throttling)/;

/** Results are in the order of the entries, each with an id or an error, and `FailedEntryCount` only counts the errors. */
function resultsOf({ Entries = [] }: EventBridge.PutEventsCommandOutput): EntryResult[] {
  return Entries.map(({ EventId, ErrorCode, ErrorMessage = '' }) => {
    if (ErrorCode !== undefined) {
      return { name: ErrorCode, text: ErrorMessage, status: null, isSenderFault: !TRANSIENT.test(ErrorCode) };
    }
    return EventId === undefined ? null : 'accepted';
  });
}
