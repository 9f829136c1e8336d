import type { Stack } from '../e2e/stack';

interface Parked {
  parkedId: string;
  step: string;
  reason: string;
  decision: string | null;
}

const LOOK_EVERY_MS = 500;

/** What somebody with the gateway's and the carrier's books at hand says; half of each where both are right. */
function decisionAbout({ parkedId, step, reason }: Parked): string | null {
  const isEven = Number.parseInt(parkedId.slice(-1), 16) % 2 === 0;
  if (step.startsWith('refund:') && reason === 'refund_refused') return isEven ? 'skip' : 'fail';
  // It may have been made: the gateway is asked again.
  if (step.startsWith('refund:') && reason === 'gateway_mismatch') return 'retry';
  if (step.startsWith('ship:') && reason === 'returned') return isEven ? 'skip' : 'fail';
  return null;
}

/** Decides about parked steps as they come. What nobody should have parked stays, and is told. */
export class Operator {
  readonly decided: Record<string, number> = {};
  readonly unexpected = new Set<string>();
  #isOver = false;

  constructor(readonly stack: Stack) {}

  async run(): Promise<void> {
    while (!this.#isOver) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  end(): void {
    this.#isOver = true;
  }

  async #look(): Promise<void> {
    const { body } = await this.stack.request('GET', '/v1/parked?state=OPEN&limit=100');
    for (const parked of (body['data'] as Parked[]).filter(({ decision }) => decision === null)) {
      const decision = decisionAbout(parked);
      if (decision === null) this.unexpected.add(`${parked.step}: ${parked.reason}`);
      else await this.#decide(parked, decision);
    }
  }

  async #decide({ parkedId, step, reason }: Parked, decision: string): Promise<void> {
    const said = { decision, reason: 'as the books say' };
    const { status, text } = await this.stack.request('POST', `/v1/parked/${parkedId}/resolve`, said);
    // Resolved meanwhile: the order was cancelled.
    if (status === 409) return;
    if (status >= 300) throw new Error(`answered ${status}: ${text}`);
    const name = `${step.split(':')[0]} ${reason}: ${decision}`;
    this.decided[name] = (this.decided[name] ?? 0) + 1;
  }
}
