import {
  ACCESS_DENIED,
  BROKER_UNAVAILABLE,
  MESSAGE_TOO_LARGE,
  THROTTLED,
  causesOf,
  connectionLost,
  failureOfSocket,
  refused,
  type BrokerFailure,
} from './broker-outcome';

const UNKNOWN_TOPIC = refused('unknown_topic', 'The topic does not exist.');
const RECORD_REFUSED = refused('record_refused', 'The broker refuses the record by its own rules.');

/** Error codes of the protocol by name. Source: Kafka protocol guide, "Error Codes". */
const PROTOCOL_FAILURES: Readonly<Record<string, BrokerFailure>> = {
  UNKNOWN_TOPIC_OR_PARTITION: UNKNOWN_TOPIC,
  INVALID_TOPIC_EXCEPTION: UNKNOWN_TOPIC,
  MESSAGE_TOO_LARGE,
  RECORD_LIST_TOO_LARGE: MESSAGE_TOO_LARGE,
  INVALID_RECORD: RECORD_REFUSED,
  INVALID_TIMESTAMP: RECORD_REFUSED,
  POLICY_VIOLATION: RECORD_REFUSED,
  TOPIC_AUTHORIZATION_FAILED: ACCESS_DENIED,
  CLUSTER_AUTHORIZATION_FAILED: ACCESS_DENIED,
  SASL_AUTHENTICATION_FAILED: ACCESS_DENIED,
  UNSUPPORTED_SASL_MECHANISM: ACCESS_DENIED,
  THROTTLING_QUOTA_EXCEEDED: THROTTLED,
};

/** The driver's own timeouts, and its waits for a connection, which carry no code. */
const TIMEOUTS = /^KafkaJS(RequestTimeoutError|Timeout|LockTimeout)$/;

/** What an error of kafkajs means. It wraps the one that counts when its retries, of which it has none here, are used up. */
export function failureOfKafka(error: unknown): BrokerFailure {
  for (const { type, name, message } of causesOf(error)) {
    if (typeof type === 'string')
      return PROTOCOL_FAILURES[type] ?? { ...BROKER_UNAVAILABLE, connection: 'lost' };
    if (name === 'KafkaJSSASLAuthenticationError') return ACCESS_DENIED;
    const isTimeout = typeof name === 'string' && TIMEOUTS.test(name);
    if (isTimeout || message === 'Connection timeout') {
      return connectionLost('timeout', 'The broker did not answer in time.');
    }
    if (name === 'KafkaJSConnectionClosedError') {
      return connectionLost('connection_reset', 'The connection was closed before the acknowledgement.');
    }
  }
  return failureOfSocket(error);
}
