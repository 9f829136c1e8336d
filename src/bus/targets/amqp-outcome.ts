import {
  ACCESS_DENIED,
  MESSAGE_TOO_LARGE,
  connectionLost,
  failureOfSocket,
  causesOf,
  later,
  refused,
  type BrokerFailure,
} from './broker-outcome';

export const UNROUTABLE = refused('unroutable', 'No queue is bound to the exchange for this routing key.');

const RESET = connectionLost('connection_reset', 'The connection was closed before the acknowledgement.');
const TIMEOUT = connectionLost('timeout', 'The broker did not answer in time.');

/** Reply codes of the protocol by name, and the driver's own. Source: AMQP 0-9-1, "Reply codes". */
const FAILURES: Readonly<Record<string, BrokerFailure>> = {
  NACK: later('nacked', 'The broker could not take responsibility for the event.'),
  NOT_FOUND: refused('unknown_exchange', 'The exchange does not exist.'),
  ACCESS_REFUSED: ACCESS_DENIED,
  // Also what RabbitMQ says of a virtual host that does not exist or is not for this user.
  NOT_ALLOWED: ACCESS_DENIED,
  PRECONDITION_FAILED: MESSAGE_TOO_LARGE,
  RESOURCE_LOCKED: later('broker_unavailable', 'The broker cannot take events now.'),
  // The channel closed because of another event; this one may have arrived.
  CH_CLOSE: later('channel_closed', 'The channel was closed before the acknowledgement.'),
  CONN_CLOSE: RESET,
  CLOSING: RESET,
  READ_END: RESET,
  TIMEOUT,
  CONNECTION_TIMEOUT: TIMEOUT,
  SOCKET_TIMEOUT: TIMEOUT,
  CONNECTION_FORCED: connectionLost('broker_unavailable', 'The broker closes its connections.'),
};

/** What an error of the AMQP driver means. */
export function failureOfAmqp(error: unknown): BrokerFailure {
  for (const { code } of causesOf(error)) {
    const known = typeof code === 'string' ? FAILURES[code] : undefined;
    if (known !== undefined) return known;
  }
  return failureOfSocket(error);
}
