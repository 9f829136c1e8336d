import { orderIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { readLog } from '../chaos/checker';
import { waitFor } from '../support/wait';
import { crashWorker } from './crash';
import { startStack, type Stack } from './stack';

const TARGETS = ['one', 'two', 'three'] as const;
/** What the claim of a delivery, and the record of what came of it, send to the database. */
export const CLAIM = 'insert into aftercommit.delivery_attempts';
export const RECORD = 'aftercommit.record_deliveries';

/** A system whose orders go to three targets, and whose worker can be killed at the points of a delivery. */
export class DeliveryRig {
  private constructor(
    readonly stack: Stack,
    private readonly namespace: string,
  ) {}

  static async open(): Promise<DeliveryRig> {
    const stack = await startStack({ withLinks: true });
    const { namespace } = await readInstallation(stack.database.pool);
    for (const name of TARGETS) await stack.sendToSink({ name, path: `/${name}` });
    // The rule that is there from the start would be a fourth.
    for (const { name } of (await stack.request('GET', '/v1/rules')).body['data'] as { name: string }[]) {
      if (!(TARGETS as readonly string[]).includes(name)) await stack.request('DELETE', `/v1/rules/${name}`);
    }
    await stack.stock('SKU', 1_000);
    return new DeliveryRig(stack, namespace);
  }

  /** Everything follows from the point's name, so a trap can be set before the order is placed. */
  orderIdAt(point: string): string {
    return orderIdOf(this.namespace, 'local', point);
  }

  async placeAt(point: string): Promise<string> {
    await this.stack.placeOrder({ key: point, sku: 'SKU', wait: 30 });
    return this.orderIdAt(point);
  }

  /** The paths of the sink that took the order's event, as often as they took it. */
  arrivals(orderId: string): string[] {
    return readLog(this.stack.logFiles.sink)
      .filter((entry) => entry.type === 'received' && String(entry['body']).includes(orderId))
      .map((entry) => String(entry['path']).slice(1));
  }

  async statesOf(orderId: string): Promise<Record<string, string>> {
    const { body } = await this.stack.request('GET', `/v1/deliveries?orderId=${orderId}`);
    const rows = body['data'] as { target: string; state: string }[];
    return Object.fromEntries(rows.map(({ target, state }) => [target, state]));
  }

  allInState(orderId: string, state: string): Promise<true> {
    return waitFor(`${TARGETS.length} deliveries are ${state}`, async () => {
      const states = Object.values(await this.statesOf(orderId));
      return states.filter((one) => one === state).length >= TARGETS.length;
    });
  }

  crash(meanwhile?: () => Promise<void>): Promise<void> {
    return crashWorker(this.stack, meanwhile);
  }
}
