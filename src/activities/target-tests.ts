import { Context } from '@temporalio/activity';
import { envelopeText, SERVICE_SOURCE, type EventEnvelope } from '../domain/events';
import { AppError, NotFoundError } from '../errors';
import type { TargetTestInput } from '../workflows/messages';
import type { OpenTarget, TargetBook } from './targets';

/** What one attempt came to, for the person who asked. */
export interface TestOutcome {
  outcome: 'delivered' | 'retry' | 'dead';
  /** HTTP status of the receiver, or null. */
  status: number | null;
  latencyMs: number;
  code: string | null;
  message: string | null;
}

export interface TargetTestActivities {
  /**
   * Sends one event that tells of nothing, without rule, transformer, rate or retries.
   * @throws NotFoundError (not retryable) when there is no target of this name
   */
  testTarget(input: TargetTestInput): Promise<TestOutcome>;
}

/** A target that cannot be opened as it is stored is an answer too: deliveries would wait for it to be mended. */
async function openTarget(targets: TargetBook, name: string): Promise<OpenTarget | TestOutcome | null> {
  try {
    return await targets.open(name);
  } catch (error) {
    if (!(error instanceof AppError) || error.retryable) throw error;
    return { outcome: 'retry', status: null, latencyMs: 0, code: error.code, message: error.message };
  }
}

export function createTargetTestActivities(deps: { targets: TargetBook }): TargetTestActivities {
  return {
    async testTarget({ target: name, testId }) {
      const open = await openTarget(deps.targets, name);
      if (open !== null && 'outcome' in open) return open;
      if (open === null) throw new NotFoundError('There is no target of this name.');
      const event: EventEnvelope = {
        id: testId,
        source: SERVICE_SOURCE,
        'detail-type': 'target.test',
        time: new Date(Context.current().info.currentAttemptScheduledTimestampMs).toISOString(),
        detail: { seq: 1, target: name },
      };
      const request = { event, payload: envelopeText(event), deliveryId: testId, ruleName: 'test' };
      const sent = await open.target.send({ ...request, orderingKey: testId, replayId: null });
      const { kind: outcome, status, latencyMs } = sent;
      const { code, message } = sent.kind === 'delivered' ? { code: null, message: null } : sent;
      return { outcome, status, latencyMs, code, message };
    },
  };
}
