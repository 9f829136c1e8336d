import { purgeArchive } from './steps';

/** Removes what is older than its retention. On a schedule, once a day. */
export async function purgeWorkflow(): Promise<{ events: number }> {
  return purgeArchive();
}
