import { orderIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { readLog } from '../chaos/checker';
import type { FaultProxy } from '../chaos/fault-proxy';
import { waitFor } from '../support/wait';
import { startStack, type HttpAnswer, type NewOrder, type Stack, type StackOptions } from './stack';

/** A window, what a workflow waits after it, and Temporal's way to find that a worker has died; then it is delivered. */
const RECOVERY_MS = 150_000;

/** A system of its own whose orders go through the flash lane, and what is known of them beside every proxy. */
export class FlashRig {
  /** How often each planned fault struck. */
  readonly struck: Record<string, number> = {};
  readonly #answers = new Map<string, Promise<HttpAnswer | null>>();

  private constructor(
    readonly stack: Stack,
    private readonly namespace: string,
    readonly sku: string,
    /** From the process that commits to the database. */
    readonly databaseLink: FaultProxy,
  ) {}

  static async open(options: StackOptions = {}): Promise<FlashRig> {
    const { settings, ...more } = options;
    const stack = await startStack({ ...more, settings: { AFTERCOMMIT_LANE: 'flash', ...settings } });
    await stack.sendToSink({ name: 'everything', path: '/everything' });
    // The rule that is there from the start would be another one.
    for (const { name } of (await stack.request('GET', '/v1/rules')).body['data'] as { name: string }[])
      if (name !== 'everything') await stack.request('DELETE', `/v1/rules/${name}`);
    const { namespace } = await readInstallation(stack.database.pool);
    const sku = await stack.stock('SKU-FLASH', 10_000);
    const { apiDatabase, workerDatabase } = stack.links;
    return new FlashRig(stack, namespace, sku, options.combined === true ? workerDatabase : apiDatabase);
  }

  /** Everything follows from the key, so a trap can be set before the order is placed. */
  orderIdOf(key: string): string {
    return orderIdOf(this.namespace, 'local', key);
  }

  /** @returns null when the connection broke before there was an answer: it is not known what became of the order */
  place(key: string, order: Partial<NewOrder> = {}): Promise<HttpAnswer | null> {
    const answer = this.stack.placeOrder({ key, sku: this.sku, ...order }).catch(() => null);
    this.#answers.set(key, answer);
    return answer;
  }

  /** As a client does that repeats its request until it has an answer that counts. */
  async placeUntilAnswered(key: string, order: Partial<NewOrder> = {}): Promise<HttpAnswer> {
    let answer: HttpAnswer | null = null;
    return waitFor(
      `${key} is answered`,
      async () => {
        answer = await this.place(key, order);
        return answer !== null && answer.status !== 503 && answer.status !== 429 && answer;
      },
      {
        deadlineMs: RECOVERY_MS,
        describe: () =>
          `${answer?.status} ${answer?.text} at ${order.url ?? this.stack.url}\n${this.troubles()}`,
      },
    );
  }

  /** Every promise of the product, over all that was placed. Answers that came to nothing were repeated. */
  async violations(planned: number): Promise<unknown[]> {
    const answers = await Promise.all(this.#answers.values());
    const counted = answers.filter((answer) => answer !== null && [201, 409].includes(answer.status));
    return this.stack.violations({
      planned,
      attempted: answers.length,
      succeeded: counted.length,
      faults: this.struck,
    });
  }

  /** What the processes said last that is not good. */
  troubles(): string {
    const lines = this.stack.processLogs().split('\n');
    // Errors of pino and worse; what is no JSON was said by Node itself, as a process that fell does.
    return lines
      .filter((line) => line !== '' && (!line.startsWith('{') || /"level":[56]0/.test(line)))
      .slice(-20)
      .join('\n');
  }

  async rows<Row extends object>(text: string, ...values: unknown[]): Promise<Row[]> {
    return (await this.stack.database.pool.query<Row>(text, values)).rows;
  }

  async groupOf(key: string): Promise<string | undefined> {
    const [row] = await this.rows<{ group_id: string }>(
      'select group_id from aftercommit.orders where order_id = $1',
      this.orderIdOf(key),
    );
    return row?.group_id;
  }

  async isCommitted(orderId: string): Promise<boolean> {
    return (await this.rows('select 1 from aftercommit.orders where order_id = $1', orderId)).length > 0;
  }

  async stateOfGroup(groupId: string): Promise<string | undefined> {
    const [row] = await this.rows<{ state: string }>(
      'select state from aftercommit.groups where group_id = $1',
      groupId,
    );
    return row?.state;
  }

  /** States of the order's event and of its message. */
  async statesOf(key: string): Promise<string[]> {
    const rows = await this.rows<{ state: string }>(
      `select state from aftercommit.deliveries where aggregate_id = $1
       union all select state from aftercommit.notification_attempts where order_id = $1`,
      this.orderIdOf(key),
    );
    return rows.map(({ state }) => state);
  }

  /** How often the sink got the order's event, and the provider a message about it. */
  heardOf(key: string): { events: number; messages: number } {
    const about = (file: string, type: string): number =>
      readLog(file).filter(
        (entry) => entry.type === type && String(entry['body']).includes(this.orderIdOf(key)),
      ).length;
    const { sink, twilio } = this.stack.logFiles;
    return { events: about(sink, 'received'), messages: about(twilio, 'accepted') };
  }

  /** Waits until everything about the orders is published and told, and their groups have ended. */
  async untilDone(keys: readonly string[]): Promise<void> {
    const isDone = async (key: string): Promise<boolean> => {
      const groupId = await this.groupOf(key);
      const states = await this.statesOf(key);
      // A message that its sender had claimed and not sent is found nowhere: its attempt is closed, and another one made.
      const isOver =
        ['DELIVERED', 'ACCEPTED'].every((state) => states.includes(state)) &&
        states.every((state) => ['DELIVERED', 'ACCEPTED', 'REJECTED'].includes(state));
      return isOver && (await this.stateOfGroup(groupId!)) === 'ENDED';
    };
    for (const key of keys)
      await waitFor(`${key} is done`, () => isDone(key), {
        deadlineMs: RECOVERY_MS,
        describe: async () =>
          JSON.stringify([await this.statesOf(key), await this.stateOfGroup((await this.groupOf(key))!)]),
      });
  }

  /** A sale of these units, which takes orders from now on. @returns its SKU */
  async openSale(saleId: string, quantity: number, terms: Record<string, unknown> = {}): Promise<string> {
    const sku = await this.stack.stock(`SKU-${saleId}`, quantity);
    const { status, text } = await this.stack.request('PUT', `/v1/sales/${saleId}`, {
      sku,
      quantity,
      ...terms,
    });
    if (status !== 200) throw new Error(`answered ${status}: ${text}`);
    return sku;
  }

  async sale(saleId: string): Promise<Record<string, unknown>> {
    return (await this.stack.request('GET', `/v1/sales/${saleId}`)).body;
  }
}
