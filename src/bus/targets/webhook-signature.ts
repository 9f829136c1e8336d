import { createHmac } from 'node:crypto';
import { webhookKey, type WebhookSecret } from './connection';

/** What is signed: the message's id, the time of the attempt in whole seconds since 1970, and the body as it is sent. */
export interface SignedContent {
  id: string;
  timestampSeconds: number;
  body: string;
}

/**
 * The headers that let a receiver know who sent a body, that it is whole and that it is not an old one sent again. While
 * secrets are rotated there is one signature for each, so that a receiver may know either. `webhook-id` is the caller's.
 * Source: Standard Webhooks, "Symmetric signatures" and "Secret rotation".
 */
export function signatureHeaders(content: SignedContent, secret: WebhookSecret): Record<string, string> {
  const secrets = [secret.secret, secret.previousSecret].filter((text) => text !== '');
  return {
    'webhook-timestamp': String(content.timestampSeconds),
    'webhook-signature': secrets.map((text) => `v1,${macOf(content, text)}`).join(' '),
  };
}

function macOf({ id, timestampSeconds, body }: SignedContent, secret: string): string {
  return createHmac('sha256', webhookKey(secret))
    .update(`${id}.${timestampSeconds}.${body}`, 'utf8')
    .digest('base64');
}
