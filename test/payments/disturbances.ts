import { controlFake } from '../dev/fake-control';
import { readLog } from '../chaos/checker';
import type { Stack } from '../e2e/stack';

/** How webhooks travel, one after the other: what is told under one overtakes what was told under another. */
const WAYS = [{}, { duplicate: 2 }, { delayMs: 1_500 }, { early: true }] as const;
const CHANGE_EVERY_MS = 250;

/** Doubles, delays and reorders the webhooks of gateway and carrier, until `end`. */
export class Disturbances {
  #isOver = false;

  constructor(readonly stack: Stack) {}

  async run(): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      await this.#tell(WAYS[turn % WAYS.length]!);
      await new Promise((resolve) => setTimeout(resolve, CHANGE_EVERY_MS));
    }
    await this.#tell({});
  }

  end(): void {
    this.#isOver = true;
  }

  async #tell(webhooks: object): Promise<void> {
    const { payments, carrier } = this.stack.fakeUrls;
    await controlFake(payments, { webhooks });
    await controlFake(carrier, { webhooks });
  }
}

/** How often each disturbance of the gateway's webhooks happened. */
export async function readDisturbances(stack: Stack): Promise<Record<string, number>> {
  const told = readLog(stack.logFiles.payments).filter((entry) => entry.type === 'webhook');
  const ids = told.filter((entry) => entry['answered'] === 204).map((entry) => entry['id']);
  const { rows } = await stack.database.pool.query<{ count: number }>(`
    select count(*)::int as count from aftercommit.participant_reports one join aftercommit.participant_reports other
      using (order_id) where one.type = 'payment.authorized' and other.type = 'payment.captured'
      and other.received_at < one.received_at`);
  return {
    'webhooks: lost': told.filter((entry) => entry['lost'] === true).length,
    'webhooks: doubled': ids.length - new Set(ids).size,
    'webhooks: reordered': rows[0]!.count,
  };
}
