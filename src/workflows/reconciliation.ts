import { restartLeftBehind } from './steps';

/** The light reconciliation, on a schedule: restarts requests and deliveries that no workflow works on. */
export async function reconciliationWorkflow(): Promise<{ requests: number; deliveries: number }> {
  return restartLeftBehind();
}
