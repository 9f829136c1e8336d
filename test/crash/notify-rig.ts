import { WorkflowNotFoundError } from '@temporalio/client';
import { attemptIdOf, eventIdOf, notificationIdOf, orderIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { readLog } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { whenSent } from '../e2e/crash';
import { PHONE_CANARY, startStack, type HttpAnswer, type Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { beginOf, type Attempt } from './notify-points';

const TEMPLATE = 'order.confirmed';
/** A worker is taken for dead after 10 s, and what it left without an outcome is looked up twice and sent again. */
const RECOVERY_MS = 60_000;

/** An order whose customer is told. Everything follows from its key, so a trap can be set before it is placed. */
export interface Told {
  key: string;
  orderId: string;
  notificationId: string;
  customerId: string;
  /** Nobody else's: calls say no order. */
  phone: string;
  channels: string[];
}

/** What `GET /v1/notifications` says of one. */
export interface NotificationAnswer {
  status: string;
  reason: string | null;
  attempts: {
    n: number;
    channel: string;
    state: string;
    outcome: string | null;
    messageSid: string | null;
    errorCode: string | null;
    wasAmbiguous: boolean;
    resolvedBy: string | null;
  }[];
}

/** A system of its own whose worker can be cut off, and the orders that were placed in it. */
export class NotifyRig {
  readonly #placed = new Map<string, Promise<HttpAnswer>>();
  #known = 0;

  private constructor(
    readonly stack: Stack,
    private readonly namespace: string,
    private readonly sku: string,
  ) {}

  static async open(settings: Record<string, string> = {}): Promise<NotifyRig> {
    const stack = await startStack({
      withLinks: true,
      settings: { AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS: '1500', ...settings },
    });
    const { namespace } = await readInstallation(stack.database.pool);
    return new NotifyRig(stack, namespace, await stack.stock('SKU-TOLD', 1_000));
  }

  /** Nothing is placed yet. */
  know(key: string, channels: string[]): Told {
    const orderId = orderIdOf(this.namespace, 'local', key);
    const customerId = `cus_${key}`;
    const notificationId = notificationIdOf(eventIdOf(orderId, TEMPLATE, 1), customerId, TEMPLATE);
    const phone = this.#known === 0 ? PHONE_CANARY : `+1415555${String(1_000 + this.#known)}`;
    this.#known += 1;
    return { key, orderId, notificationId, customerId, phone, channels };
  }

  /** The attempt number n of it. The first is made in the order's step. */
  attempt({ orderId, notificationId, phone }: Told, n = 1): Attempt {
    const activity = n === 1 ? 'deliverEvents' : 'continueNotification';
    return { attemptId: attemptIdOf(notificationId, n), notificationId, orderId, phone, activity };
  }

  /** Who asked for the order waits over the crash. */
  place({ key, customerId, phone, channels }: Told): void {
    const answer = this.stack.placeOrder({ key, sku: this.sku, customerId, phone, channels, wait: 60 });
    answer.catch(() => undefined);
    this.#placed.set(key, answer);
  }

  control(document: object): Promise<unknown> {
    return controlFake(this.stack.fakeUrls.twilio, document);
  }

  /**
   * Places an order whose first channel fails by its report, and holds the worker before it goes on with the second one.
   * @returns lets it go on
   */
  async untilFallback(told: Told): Promise<() => void> {
    const { workerDatabase } = this.stack.links;
    const begun = whenSent(workerDatabase, beginOf(this.attempt(told, 2)), () => workerDatabase.freeze('up'));
    this.place(told);
    await begun();
    return () => workerDatabase.thaw('up');
  }

  async read({ orderId }: Told): Promise<NotificationAnswer> {
    const { body } = await this.stack.request('GET', `/v1/notifications?orderId=${orderId}`);
    return (body['data'] as NotificationAnswer[])[0]!;
  }

  /** The timeline's lines about the message. */
  async timeline({ orderId }: Told): Promise<string[]> {
    const { body } = await this.stack.request('GET', `/v1/orders/${orderId}/timeline`);
    return (body['data'] as { type: string; summary: string }[])
      .filter(({ type }) => type.startsWith('notification.'))
      .map(({ type, summary }) => `${type}: ${summary}`);
  }

  /** What the provider accepted for this person: sids by channel. */
  accepted({ phone }: Told): Record<string, string[]> {
    const byChannel: Record<string, string[]> = {};
    for (const entry of readLog(this.stack.logFiles.twilio)) {
      if (entry.type !== 'accepted' || !String(entry['to']).endsWith(phone)) continue;
      (byChannel[String(entry['channel'])] ??= []).push(String(entry['sid']));
    }
    return byChannel;
  }

  /** Waits until it has ended so, or an attempt of it is held, and nobody works on it any more. */
  async end(
    told: Told,
    wanted: 'DELIVERED' | 'HELD' | 'EXPIRED',
    deadlineMs = RECOVERY_MS,
  ): Promise<NotificationAnswer> {
    const isThere = ({ status, attempts }: NotificationAnswer): boolean =>
      wanted === 'HELD' ? attempts.some(({ state }) => state === 'HELD') : status === wanted;
    return waitFor(
      `it is ${wanted} and at rest`,
      async () => {
        const answer = await this.read(told);
        return isThere(answer) && !(await this.#isWorkedOn(told)) && answer;
      },
      {
        deadlineMs,
        describe: async () => JSON.stringify([await this.read(told), this.accepted(told)], null, 1),
      },
    );
  }

  /** An activity that was killed comes again after its time-out: until then nobody knows what it does. */
  async #isWorkedOn({ orderId, notificationId }: Told): Promise<boolean> {
    const states = await Promise.all(
      [`order/${orderId}`, `notify/${notificationId}`].map(async (workflowId) => {
        const handle = this.stack.temporal.workflow.getHandle(workflowId);
        try {
          return (await handle.describe()).status.name;
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) return 'NONE';
          throw error;
        }
      }),
    );
    return states.includes('RUNNING');
  }

  /** At most one accepted message on each channel, and each belongs to an attempt. @returns how many on which channel */
  async accountFor(told: Told): Promise<Record<string, number>> {
    const accepted = this.accepted(told);
    const { attempts } = await this.read(told);
    const owned = attempts.flatMap(({ messageSid }) => (messageSid === null ? [] : [messageSid]));
    expect(owned.sort()).toEqual(Object.values(accepted).flat().sort());
    const counts = Object.fromEntries(Object.entries(accepted).map(([name, sids]) => [name, sids.length]));
    for (const count of Object.values(counts)) expect(count).toBe(1);
    return counts;
  }

  /** Every promise of the product, over all that was placed. @param faults - how often each fault struck */
  async violations(planned: number, faults: Record<string, number>): Promise<unknown[]> {
    const answers = await Promise.all(this.#placed.values());
    return this.stack.violations({
      planned,
      attempted: answers.length,
      succeeded: answers.filter(({ status }) => status === 201).length,
      faults,
    });
  }
}
