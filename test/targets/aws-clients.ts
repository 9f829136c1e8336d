import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
  type Message,
} from '@aws-sdk/client-sqs';
import { createTarget } from '../../src/bus/targets';
import type { ConnectionSecret } from '../../src/bus/targets/connection';
import type { OpenTargetDeps } from '../../src/bus/targets/kind';
import type { Target } from '../../src/bus/targets/target';
import { waitFor } from '../support/wait';

export const REGION = 'eu-central-1';

const CONNECTION: ConnectionSecret = { kind: 'aws', accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' };

/** Settings of a client that looks at what arrived, beside the target. */
export function clientAt(endpoint: string): object {
  const { accessKeyId, secretAccessKey } = CONNECTION as { accessKeyId: string; secretAccessKey: string };
  return { endpoint, region: REGION, credentials: { accessKeyId, secretAccessKey } };
}

/** Opens a target of one of AWS's kinds as the service would, at the endpoint that the environment names. */
export function openAwsTarget(kind: string, config: object): Target {
  return createTarget(kind, config, { allowPrivate: true, connection: CONNECTION } as OpenTargetDeps);
}

/** A queue with a consumer of its own. */
export class Queue {
  readonly url: string;
  readonly #client: SQSClient;
  readonly #messages: Message[] = [];

  private constructor(client: SQSClient, url: string) {
    this.#client = client;
    this.url = url;
  }

  static async create(endpoint: string, name: string): Promise<Queue> {
    const client = new SQSClient(clientAt(endpoint));
    const Attributes = name.endsWith('.fifo') ? { FifoQueue: 'true' } : {};
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }));
    return new Queue(client, QueueUrl!);
  }

  async arn(): Promise<string> {
    const { Attributes } = await this.#client.send(
      new GetQueueAttributesCommand({ QueueUrl: this.url, AttributeNames: ['QueueArn'] }),
    );
    return Attributes!['QueueArn']!;
  }

  /** Messages that are neither received nor deleted. */
  async length(): Promise<number> {
    const { Attributes } = await this.#client.send(
      new GetQueueAttributesCommand({ QueueUrl: this.url, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    return Number(Attributes!['ApproximateNumberOfMessages']);
  }

  /** Consumes until there are so many since the queue was made; all of them, in the order of their arrival. */
  async messages(count: number): Promise<Message[]> {
    return waitFor(`${count} messages in the queue`, async () => {
      const { Messages = [] } = await this.#client.send(
        new ReceiveMessageCommand({
          QueueUrl: this.url,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['All'],
        }),
      );
      this.#messages.push(...Messages);
      if (Messages.length > 0) {
        const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
        await this.#client.send(new DeleteMessageBatchCommand({ QueueUrl: this.url, Entries }));
      }
      return this.#messages.length >= count && this.#messages;
    });
  }

  close(): void {
    this.#client.destroy();
  }
}

/** A message's attributes as name and text. */
export function attributesOf({ MessageAttributes = {} }: Message): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue]),
  );
}
