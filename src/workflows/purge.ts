import type { PurgeReport } from '../activities/purge';
import { purgeArchive } from './steps';

/** Removes what is older than its retention, and says how many of each class. On a schedule, once a day. */
export async function purgeWorkflow(): Promise<PurgeReport> {
  return purgeArchive();
}
