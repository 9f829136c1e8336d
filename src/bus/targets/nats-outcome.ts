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

export const UNKNOWN_STREAM = refused('unknown_stream', 'No stream takes this subject.');

/** Source: nats-server's errors.json, JSStreamMessageExceedsMaximumErr. */
const MESSAGE_EXCEEDS_MAXIMUM = 10_054;

const RESET = connectionLost('connection_reset', 'The connection was closed before the acknowledgement.');

/** Names of the driver's errors. */
const NAMED_FAILURES: Readonly<Record<string, BrokerFailure>> = {
  AuthorizationError: ACCESS_DENIED,
  UserAuthenticationExpiredError: ACCESS_DENIED,
  PermissionViolationError: ACCESS_DENIED,
  TimeoutError: connectionLost('timeout', 'The broker did not answer in time.'),
  ClosedConnectionError: RESET,
  DrainingConnectionError: RESET,
  JetStreamNotEnabled: later('jetstream_not_enabled', 'The broker has no JetStream.'),
};

/** What an error of the NATS driver means, other than that nobody listens on the subject. */
export function failureOfNats(error: unknown): BrokerFailure {
  for (const cause of causesOf(error)) {
    const { name, message } = cause;
    if (name === 'JetStreamApiError') return failureOfApi(cause);
    // The driver compares with the server's max_payload before it sends.
    if (name === 'InvalidArgumentError' && String(message).includes('max_payload')) return MESSAGE_TOO_LARGE;
    const known = typeof name === 'string' ? NAMED_FAILURES[name] : undefined;
    if (known !== undefined) return known;
  }
  return failureOfSocket(error);
}

/** Nobody listens on the subject. The driver wraps it into an error that says that there is no JetStream. */
export function isNoResponders(error: unknown): boolean {
  return causesOf(error).some(({ name }) => name === 'NoResponders');
}

/** JetStream answered with an error: `code` is its own number, `status` like HTTP's. */
function failureOfApi({ code, status }: Record<string, unknown>): BrokerFailure {
  if (code === MESSAGE_EXCEEDS_MAXIMUM) return MESSAGE_TOO_LARGE;
  if (status === 429) return THROTTLED;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return refused('stream_refused', `The stream refuses the event (JetStream error ${String(code)}).`);
  }
  return BROKER_UNAVAILABLE;
}
