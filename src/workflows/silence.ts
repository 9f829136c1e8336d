import { sleep } from '@temporalio/workflow';
import type { SilenceInput } from './messages';
import { wakeSilent } from './steps';

/**
 * Looks once after the messages of some seconds that were accepted and that no report came for. One for all of them, so
 * that a message that arrives, as nearly all do, costs no workflow. `silence/{time}`.
 */
export async function silenceWorkflow({ until }: SilenceInput): Promise<{ woken: number }> {
  await sleep(Math.max(0, until - Date.now()), { summary: 'until they count as silent' });
  return wakeSilent({ until });
}
