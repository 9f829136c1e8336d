import { envelopeText, type EventDetail } from '../../../src/domain/events';
import type { Received } from '../../contract/target';
import { md5, newId, type AwsProtocol, type Entry, type Refusal } from './aws-endpoint';

interface SqsEntry {
  Id: string;
  MessageBody: string;
  MessageAttributes: Record<string, { DataType: string; StringValue: string }>;
  MessageGroupId?: string;
  MessageDeduplicationId?: string;
}

/** SQS: JSON 1.0 with MD5 sums, which the SDK checks. */
export const SQS_PROTOCOL: AwsProtocol = {
  contentType: 'application/x-amz-json-1.0',
  entriesOf: (body) =>
    (JSON.parse(body) as { Entries: SqsEntry[] }).Entries.map((entry) => {
      const attributes = Object.entries(entry.MessageAttributes).map(([name, value]) => [
        name,
        value.StringValue,
      ]);
      return {
        id: entry.Id,
        received: receivedOf(Object.fromEntries(attributes) as Record<string, string>, entry.MessageBody),
        groupId: entry.MessageGroupId ?? null,
        deduplicationId: entry.MessageDeduplicationId ?? null,
      };
    }),
  answer: (results) => {
    const Successful = results.flatMap(({ entry, refusal }) =>
      refusal === 'accepted'
        ? [{ Id: entry.id, MessageId: newId(), MD5OfMessageBody: md5(entry.received.payload) }]
        : [],
    );
    return JSON.stringify({ Successful, Failed: failedOf(results) });
  },
  error: ({ name, message }) => JSON.stringify({ __type: `com.amazonaws.sqs#${name}`, message }),
};

/** SNS: the Query protocol, a form in and XML out. */
export const SNS_PROTOCOL: AwsProtocol = {
  contentType: 'text/xml',
  entriesOf: (body) => {
    const form = new URLSearchParams(body);
    const entries: Entry[] = [];
    for (let n = 1; form.has(`PublishBatchRequestEntries.member.${n}.Id`); n += 1) {
      entries.push(snsEntry(form, `PublishBatchRequestEntries.member.${n}`));
    }
    return entries;
  },
  answer: (results) => {
    const successful = results
      .filter(({ refusal }) => refusal === 'accepted')
      .map(({ entry }) => `<member><Id>${entry.id}</Id><MessageId>${newId()}</MessageId></member>`);
    const failed = failedOf(results).map(
      ({ Id, Code, Message, SenderFault }) =>
        `<member><Id>${Id}</Id><Code>${Code}</Code><Message>${Message ?? ''}</Message><SenderFault>${SenderFault}</SenderFault></member>`,
    );
    return `<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Successful>${successful.join('')}</Successful><Failed>${failed.join('')}</Failed></PublishBatchResult></PublishBatchResponse>`;
  },
  error: ({ name, message = '', isSenderFault = true }) =>
    `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>${isSenderFault ? 'Sender' : 'Receiver'}</Type><Code>${name}</Code><Message>${message}</Message></Error></ErrorResponse>`,
};

interface EventBridgeEntry {
  EventBusName: string;
  Source: string;
  DetailType: string;
  Time: number;
  Detail: string;
  Resources: string[];
}

/** EventBridge: JSON 1.1. The envelope is put together again from what an entry carries. */
export const EVENTBRIDGE_PROTOCOL: AwsProtocol = {
  contentType: 'application/x-amz-json-1.1',
  entriesOf: (body) =>
    (JSON.parse(body) as { Entries: EventBridgeEntry[] }).Entries.map((entry, index) => {
      const resources = Object.fromEntries(
        entry.Resources.map((resource) => {
          const [, what = '', value = ''] = /^aftercommit:([a-z]+):(.+)$/.exec(resource) ?? [];
          return [what, value];
        }),
      ) as Record<string, string>;
      const payload = envelopeText({
        id: resources['event'] ?? '',
        source: entry.Source,
        'detail-type': entry.DetailType,
        time: new Date(entry.Time * 1_000).toISOString(),
        detail: JSON.parse(entry.Detail) as EventDetail,
      });
      const received: Received = {
        id: resources['event'] ?? '',
        deliveryId: resources['delivery'] ?? '',
        payload,
        orderingKey: resources['key'] ?? null,
        replayId: resources['replay'] ?? null,
      };
      return { id: String(index), received, groupId: null, deduplicationId: null };
    }),
  answer: (results) => {
    const Entries = results.map(({ refusal }) => {
      if (refusal === 'accepted') return { EventId: newId() };
      return refusal === null ? {} : { ErrorCode: refusal.name, ErrorMessage: refusal.message };
    });
    return JSON.stringify({ FailedEntryCount: failedOf(results).length, Entries });
  },
  error: ({ name, message }) => JSON.stringify({ __type: name, message }),
};

function failedOf(
  results: readonly { entry: Entry; refusal: Refusal | 'accepted' | null }[],
): { Id: string; Code: string; Message: string | undefined; SenderFault: boolean }[] {
  return results.flatMap(({ entry, refusal }) =>
    refusal === 'accepted' || refusal === null
      ? []
      : [
          {
            Id: entry.id,
            Code: refusal.name,
            Message: refusal.message,
            SenderFault: refusal.isSenderFault ?? true,
          },
        ],
  );
}

function snsEntry(form: URLSearchParams, prefix: string): Entry {
  const attributes: Record<string, string> = {};
  for (let n = 1; form.has(`${prefix}.MessageAttributes.entry.${n}.Name`); n += 1) {
    const attribute = `${prefix}.MessageAttributes.entry.${n}`;
    attributes[form.get(`${attribute}.Name`)!] = form.get(`${attribute}.Value.StringValue`) ?? '';
  }
  return {
    id: form.get(`${prefix}.Id`)!,
    received: receivedOf(attributes, form.get(`${prefix}.Message`) ?? ''),
    groupId: form.get(`${prefix}.MessageGroupId`),
    deduplicationId: form.get(`${prefix}.MessageDeduplicationId`),
  };
}

function receivedOf(attributes: Readonly<Record<string, string>>, payload: string): Received {
  return {
    id: attributes['event-id'] ?? '',
    deliveryId: attributes['delivery-id'] ?? '',
    payload,
    orderingKey: attributes['ordering-key'] ?? null,
    replayId: attributes['replay-id'] ?? null,
  };
}
