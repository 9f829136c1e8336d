import { randomUUID } from 'node:crypto';
import { requestedPaymentIdOf, shipmentIdOf } from '../../src/database/ids';
import { readLog, type LogEntry } from '../chaos/evidence';
import { waitFor } from '../support/wait';
import type { Fake, HttpAnswer, NewOrder, Stack } from './stack';

/** Where parcels arrive. */
export const ADDRESS = {
  name: 'Ada Example',
  line1: '1 Example Street',
  postalCode: '10115',
  city: 'Berlin',
  country: 'DE',
};
/** Where the simulated carrier does not go. */
export const REFUSED_ADDRESS = { ...ADDRESS, postalCode: '00000' };

/** Without keys the API calls everybody so. */
const CALLER = 'local';

/** What buyers, the carrier and the gateway do with the orders of one stack, and what became of them. */
export class Shop {
  constructor(readonly stack: Stack) {}

  /** Places an order that is accepted. @returns its id */
  async place(order: NewOrder): Promise<string> {
    const answer = await this.stack.placeOrder(order);
    if (answer.status !== 201) throw new Error(`answered ${answer.status}: ${answer.text}`);
    return String(answer.body['orderId']);
  }

  /** Pays for an order that waits. The payment's id is `paymentIdOf` the key. */
  pay(orderId: string, payment: { key: string; method: string; wait?: number }): Promise<HttpAnswer> {
    const { key, method, wait } = payment;
    const prefer: Record<string, string> = wait === undefined ? {} : { prefer: `wait=${wait}` };
    const headers = { 'idempotency-key': key, ...prefer };
    return this.stack.request('POST', `/v1/orders/${orderId}/payments`, { method }, headers);
  }

  paymentIdOf(orderId: string, key: string): string {
    return requestedPaymentIdOf(orderId, CALLER, key);
  }

  cancel(orderId: string): Promise<HttpAnswer> {
    return this.stack.request('POST', `/v1/orders/${orderId}/cancel`);
  }

  /** The customer of a payment that waits for them says yes or no, on the gateway's page. */
  async act(orderId: string, outcome: 'approve' | 'refuse'): Promise<void> {
    const asked = this.facts('payments', orderId).findLast((entry) => entry.type === 'requires_action');
    await this.#post('payments', `/_customer/${String(asked?.['authorizationId'])}`, { outcome });
  }

  /** Pays on a page of the gateway's own; nobody here hears of it but by its webhooks. */
  async payAtGateway(orderId: string, amountMinor: number): Promise<string> {
    const paymentId = randomUUID();
    await this.#post('payments', '/_customer', { paymentId, orderId, amountMinor, currency: 'EUR' });
    return paymentId;
  }

  /** A parcel moves. */
  async track(orderId: string, status: 'shipped' | 'delivered' | 'returned'): Promise<void> {
    await this.#post('carrier', '/_tracking', { shipmentId: shipmentIdOf(orderId), status });
  }

  async order(orderId: string): Promise<Record<string, unknown>> {
    return (await this.stack.request('GET', `/v1/orders/${orderId}`)).body;
  }

  async stockOf(sku: string): Promise<object> {
    const { available, reserved, sold } = (await this.stack.request('GET', `/v1/inventory/${sku}`)).body;
    return { available, reserved, sold };
  }

  /** Waits until the order's view has these members. */
  becomes(orderId: string, wanted: object, deadlineMs?: number): Promise<unknown> {
    return waitFor(
      `order ${orderId} is ${JSON.stringify(wanted)}`,
      async () => holds(await this.order(orderId), wanted),
      {
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        describe: async () =>
          `${JSON.stringify(await this.order(orderId))}\n${(await this.stack.request('GET', `/v1/orders/${orderId}/timeline`)).text}`,
      },
    );
  }

  /** Types of the order's events in their order, without the `order.` before each. */
  async events(orderId: string): Promise<string[]> {
    const { body } = await this.stack.request('GET', `/v1/events?orderId=${orderId}`);
    const events = body['data'] as { 'detail-type': string; detail: { seq: number } }[];
    return events
      .sort((one, other) => one.detail.seq - other.detail.seq)
      .map((event) => event['detail-type'].replace('order.', ''));
  }

  /** Everything that one of the simulated systems did for an order, oldest first. */
  facts(fake: Fake, orderId: string): LogEntry[] {
    return readLog(this.stack.logFiles[fake]).filter((entry) => entry['orderId'] === orderId);
  }

  /** Types of these facts. */
  did(fake: Fake, orderId: string): string[] {
    return this.facts(fake, orderId).map((entry) => entry.type);
  }

  /** Texts that the customer got about an order, without those words that all begin with. */
  texts(orderId: string): string[] {
    return readLog(this.stack.logFiles.twilio)
      .filter((entry) => entry.type === 'accepted' && String(entry['body']).includes(orderId))
      .map((entry) => String(entry['body']).replace(`#${orderId}`, '#'));
  }

  /** Waits until the customer was told all of this and nothing else, in any order. */
  told(orderId: string, texts: readonly string[]): Promise<unknown> {
    return waitFor(
      `the customer was told: ${texts.join(' | ')}`,
      () => JSON.stringify(this.texts(orderId).sort()) === JSON.stringify([...texts].sort()),
      { describe: () => JSON.stringify(this.texts(orderId)) },
    );
  }

  async #post(fake: Fake, path: string, body: object): Promise<void> {
    const response = await fetch(`${this.stack.fakeUrls[fake]}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${fake} answered ${response.status}: ${await response.text()}`);
  }
}

/** Whether a document has these members, nested ones too. */
function holds(document: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return document === wanted;
  if (typeof document !== 'object' || document === null) return false;
  return Object.entries(wanted).every(([name, value]) =>
    holds((document as Record<string, unknown>)[name], value),
  );
}
