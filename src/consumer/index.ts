/**
 * What a consumer of deliveries needs: `import { processOnce } from 'aftercommit/consumer'`. It imports no driver, no
 * framework and nothing of the service. See docs/consumers.md.
 */
export { createInbox, INBOX_DDL, processOnce, purgeInbox } from './inbox';
export type { InboxOptions, Processed, Purged, PurgeOptions } from './inbox';
export { createSequences, processInOrder, processLatest, SequenceGapError, SEQUENCES_DDL } from './sequence';
export type { Place, Position, ProcessedInSequence, SequenceOptions } from './sequence';
export type { ConsumerName, Queryable } from './table';
export { verifyWebhook } from './webhook-signature';
export type { WebhookToVerify, WebhookVerdict } from './webhook-signature';
