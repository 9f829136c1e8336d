import type { LeftBehind } from '../activities/reconciliation';
import { restartLeftBehind } from './steps';

/** The light reconciliation, on a schedule: restarts requests, deliveries, refunds and messages that no workflow works on. */
export async function reconciliationWorkflow(): Promise<LeftBehind> {
  return restartLeftBehind();
}
