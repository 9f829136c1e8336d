import type * as KafkaDriver from 'kafkajs';
import { outcomeOf, type BrokerFailure } from './broker-outcome';
import { BrokerSessions } from './broker-sessions';
import { readFlag, requireAddress } from './broker-settings';
import {
  TIMEOUT_PROPERTY,
  batchProperty,
  checkedSettings,
  readBatch,
  readTimeoutMs,
} from './common-settings';
import { ConfigFields } from './config-fields';
import { loadDriver } from './driver';
import { SASL_MECHANISMS, openKafkaClient, type KafkaTargetConfig } from './kafka-client';
import { failureOfKafka } from './kafka-outcome';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { Target, TargetRequest } from './target';

export type { KafkaTargetConfig } from './kafka-client';

/** Events of 2 KB each then fill the broker's default limit for a call, 1 MB; more would only be taken apart again. */
const BATCH_EVENTS_MAX = 500;
/** Source: Kafka, `Topic.MAX_NAME_LENGTH` and its legal characters. */
const TOPIC = {
  pattern: /^(?!\.{1,2}$)[a-zA-Z0-9._-]+$/,
  lengthMax: 249,
  message: 'This must be a topic of 1 to 249 letters, digits, dots, underscores and hyphens.',
};

const PROPERTIES = {
  topic: { type: 'string', example: 'orders' },
  timeoutMs: TIMEOUT_PROPERTY,
  saslMechanism: { type: 'string', enum: [...SASL_MECHANISMS], default: SASL_MECHANISMS[0] },
  tls: { type: 'boolean', default: false },
  batch: batchProperty(BATCH_EVENTS_MAX),
};

/**
 * Writes each event to one topic, its ordering key for the key, so that one order's events share a partition. The topic
 * must exist: it is never created by sending to it.
 *
 * The producer is not an idempotent one: that would drop what this driver itself sends twice, and it sends nothing twice.
 * The order of one key is kept because the bus sends its next event only after the acknowledgement of the one before.
 */
export function createKafkaTarget(
  config: KafkaTargetConfig,
  deps: Pick<OpenTargetDeps, 'brokers' | 'connection'>,
): Target {
  const brokers = requireAddress(deps.brokers.kafka, { kind: 'kafka', variable: 'KAFKA_BROKERS' });
  const driver = loadDriver<typeof KafkaDriver>('kafkajs', 'kafka');
  let opened = 0;
  const sessions = new BrokerSessions({
    // The driver asks the first address only, when it must not retry; so each new session begins with the next one.
    open: () =>
      openKafkaClient(driver, { config, brokers: rotated(brokers, opened++), connection: deps.connection }),
    failureOf: failureOfKafka,
    timeoutMs: config.timeoutMs,
  });
  const write = (requests: readonly TargetRequest[]): Promise<BrokerFailure | null> =>
    sessions.attempt((client) => client.write(requests));
  const { maximumEvents } = config.batch;
  return {
    send: async (request) => {
      const startedAt = performance.now();
      return outcomeOf(await write([request]), since(startedAt));
    },
    ...(maximumEvents === 1
      ? {}
      : {
          batch: {
            maximumEvents,
            send: async (requests: readonly TargetRequest[]) => {
              const startedAt = performance.now();
              const deadline = startedAt + config.timeoutMs;
              const failures = await writeBatch(requests, { write, deadline });
              return failures.map((failure) => outcomeOf(failure, since(startedAt)));
            },
          },
        }),
    close: () => sessions.close(),
  };
}

/** The kind `kafka` of the registry. */
export const kafkaKind: TargetKind = {
  properties: PROPERTIES,
  connections: ['basic'],
  validate: parseConfig,
  open: (config, deps) => createKafkaTarget(parseConfig(config), deps),
};

function parseConfig(config: unknown): KafkaTargetConfig {
  const fields = new ConfigFields(config, Object.keys(PROPERTIES));
  const settings = {
    topic: fields.text('topic', TOPIC),
    timeoutMs: readTimeoutMs(fields),
    saslMechanism: fields.choice('saslMechanism', SASL_MECHANISMS, SASL_MECHANISMS[0]),
    tls: readFlag(fields, 'tls'),
    batch: readBatch(fields, BATCH_EVENTS_MAX),
  };
  return checkedSettings(settings, fields);
}

interface BatchWrite {
  write: (requests: readonly TargetRequest[]) => Promise<BrokerFailure | null>;
  /** On the clock of `performance.now`. */
  deadline: number;
}

/**
 * Kafka judges a partition's part of a batch as a whole, so a failure is the outcome of every event in it. Only a refusal
 * for good is taken apart by halves, since one event that is too large must not condemn the others. What another partition
 * had stored before is then written again, with the same ids and bytes. After a failure that may pass nothing behind it is
 * written: it would overtake.
 */
async function writeBatch(
  requests: readonly TargetRequest[],
  { write, deadline }: BatchWrite,
): Promise<(BrokerFailure | null)[]> {
  if (requests.length === 0) return [];
  const failure = await write(requests);
  const isLate = performance.now() >= deadline;
  if (failure?.kind !== 'dead' || requests.length === 1 || failure.code !== 'message_too_large' || isLate) {
    const outcome = isLate && failure?.kind === 'dead' && requests.length > 1 ? NOT_JUDGED : failure;
    return requests.map(() => outcome);
  }
  const middle = Math.ceil(requests.length / 2);
  const first = await writeBatch(requests.slice(0, middle), { write, deadline });
  const unsure = first.find((outcome) => outcome?.kind === 'retry');
  if (unsure !== undefined) return [...first, ...requests.slice(middle).map(() => unsure)];
  return [...first, ...(await writeBatch(requests.slice(middle), { write, deadline }))];
}

/** The whole was refused and there was no time left to find out for which event. */
const NOT_JUDGED: BrokerFailure = {
  kind: 'retry',
  code: 'timeout',
  message: 'The broker refused the batch, and its time was over before each event could be sent alone.',
  connection: 'kept',
};

function rotated(list: readonly string[], count: number): string[] {
  const first = count % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

function since(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
