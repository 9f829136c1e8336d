import type { LookupFunction } from 'node:net';
import type { AwsSettings } from './aws-config';
import type { ConnectionSecret } from './connection';
import type { OpenTargetDeps } from './kind';
import { messageHeaders } from './broker-settings';
import type { TargetRequest } from './target';

/** Sockets to one endpoint, the SDK's own default. More sends than this wait for a free one, on their own time. */
const CONNECTIONS_MAX = 50;

/** What each client of the SDK is made with. */
export interface AwsClientSettings {
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
  maxAttempts: number;
  requestHandler: object;
}

/**
 * The settings of a client. Without a connection AWS's own chain finds the credentials. The endpoint is that of the region,
 * unless the operator says otherwise in AWS_ENDPOINT_URL, which the SDK reads itself; only `at` counts more.
 * @param at - an endpoint that the target names itself, and the guard of the names behind it
 */
export function awsClientSettings(
  { region, timeoutMs }: AwsSettings,
  { connection }: Pick<OpenTargetDeps, 'connection'>,
  at?: { endpoint: string; lookup: LookupFunction },
): AwsClientSettings {
  const sockets = {
    keepAlive: true,
    maxSockets: CONNECTIONS_MAX,
    ...(at === undefined ? {} : { lookup: at.lookup }),
  };
  return {
    ...(region === undefined ? {} : { region }),
    ...(at === undefined ? {} : { endpoint: at.endpoint }),
    ...credentialsOf(connection),
    // Retries are ours: they are durable, and an attempt has its own time.
    maxAttempts: 1,
    requestHandler: {
      // The whole attempt is bounded by its abort signal. There is no `connectionTimeout` beside it: the SDK (4.14.2 of its
      // handler) leaves that timer running when a connection is refused.
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: sockets,
      httpsAgent: sockets,
    },
  };
}

/** A client of any of the services. */
interface RetryingClient {
  middlewareStack: {
    add(
      middleware: <Handler>(next: Handler) => Handler,
      options: { name: string; step: 'finalizeRequest'; priority: 'high'; override: true },
    ): void;
  };
}

/**
 * Puts a step that does nothing in the place of the SDK's retries. `maxAttempts` of 1 would do for those, but the step also
 * puts errors of its own in the place of those that are no instances of its realm's Error, as under Jest, and with them
 * their codes are lost. Other steps are placed beside it by its name, so it cannot just be removed.
 */
export function withoutRetries<Client extends RetryingClient>(client: Client): Client {
  client.middlewareStack.add((next) => next, {
    name: 'retryMiddleware',
    step: 'finalizeRequest',
    priority: 'high',
    override: true,
  });
  return client;
}

/**
 * What a receiver gets beside the payload. Values of attributes must not be empty: none of these is.
 * @returns attributes of a message of SQS or SNS; seven at most, of the ten that SQS takes
 */
export function messageAttributes(
  request: TargetRequest,
): Record<string, { DataType: 'String'; StringValue: string }> {
  return Object.fromEntries(
    Object.entries(messageHeaders(request)).map(([name, value]) => [
      name,
      { DataType: 'String', StringValue: value },
    ]),
  );
}

/**
 * What a FIFO queue or topic needs beside the message; nothing for the others. The group keeps the events of one key in
 * order. For five minutes AWS takes a second message of one deduplication id and drops it, which is what a repeat of a
 * delivery is for. The id is the delivery's and not the event's: a replay, and another rule that sends the event here, are
 * deliveries of their own and must arrive.
 * @param name - of the queue or topic, or what ends with it
 */
export function fifoMembers(
  name: string,
  { orderingKey, deliveryId }: TargetRequest,
): { MessageGroupId?: string; MessageDeduplicationId?: string } {
  if (!name.endsWith('.fifo')) return {};
  return { MessageGroupId: orderingKey, MessageDeduplicationId: deliveryId };
}

function credentialsOf(connection: ConnectionSecret | null): Pick<AwsClientSettings, 'credentials'> {
  if (connection?.kind !== 'aws') return {};
  const { accessKeyId, secretAccessKey } = connection;
  return { credentials: { accessKeyId, secretAccessKey } };
}
