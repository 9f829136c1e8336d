import {
  ACCESS_DENIED,
  BROKER_UNAVAILABLE,
  MESSAGE_TOO_LARGE,
  THROTTLED,
  causesOf,
  connectionLost,
  failureOfSocket,
  later,
  refused,
  type BrokerFailure,
} from './broker-outcome';

/**
 * Not final, unlike with the other brokers: a RocketMQ whose brokers are all down has forgotten the topics that they hold,
 * and says the same then. The durable retries end in the dead letters when the topic stays away.
 */
const UNKNOWN_TOPIC = later('unknown_topic', 'The broker knows no such topic now.');

/** Status codes of gRPC. Source: grpc/grpc, "Status codes". */
const GRPC_FAILURES: Readonly<Record<number, BrokerFailure>> = {
  1: connectionLost('connection_reset', 'The call was ended before the acknowledgement.'),
  4: connectionLost('timeout', 'The broker did not answer in time.'),
  7: ACCESS_DENIED,
  8: { ...THROTTLED, connection: 'lost' },
  14: connectionLost('connection_reset', 'The connection was lost, or there was none.'),
  16: ACCESS_DENIED,
};
const GRPC_CODE_MAX = 16;

/** What the driver itself refuses before it sends, which is known by its words only. */
const TYPE_ERRORS: readonly { words: RegExp; failure: BrokerFailure }[] = [
  { words: /body size exceeds/, failure: MESSAGE_TOO_LARGE },
  {
    words: /message type not match/,
    failure: refused('message_type_refused', 'The topic is not of the type that the setting fifo asks for.'),
  },
];

/**
 * What a broker says of a message beyond its `maxMessageSize`. Its gRPC proxy, which has a limit of its own, passes that on
 * as an internal error. Source: apache/rocketmq 5.5.0, AbstractSendMessageProcessor, "the message is illegal, …".
 */
const BROKER_LIMIT = /the message is illegal, maybe msg body or properties length not matched/;

/** What an error of the RocketMQ driver means. */
export function failureOfRocketmq(error: unknown): BrokerFailure {
  for (const { code, name, message } of causesOf(error)) {
    if (typeof code === 'number' && BROKER_LIMIT.test(String(message))) return MESSAGE_TOO_LARGE;
    if (typeof code === 'number') return code <= GRPC_CODE_MAX ? failureOfGrpc(code) : failureOfCode(code);
    if (name !== 'TypeError') continue;
    const known = TYPE_ERRORS.find(({ words }) => words.test(String(message)));
    if (known !== undefined) return known.failure;
  }
  return failureOfSocket(error);
}

function failureOfGrpc(code: number): BrokerFailure {
  return GRPC_FAILURES[code] ?? { ...BROKER_UNAVAILABLE, connection: 'lost' };
}

/** Source: apache/rocketmq-apis, definition.proto, `Code`: like HTTP's, with two more digits. */
function failureOfCode(code: number): BrokerFailure {
  const status = Math.floor(code / 100);
  if (status === 401 || status === 403) return ACCESS_DENIED;
  if (status === 404) return UNKNOWN_TOPIC;
  if (status === 413) return MESSAGE_TOO_LARGE;
  if (status === 429) return THROTTLED;
  if (status >= 400 && status < 500) {
    return refused('message_refused', `The broker refuses the event (RocketMQ code ${code}).`);
  }
  return BROKER_UNAVAILABLE;
}
