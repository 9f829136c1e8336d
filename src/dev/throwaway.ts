import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { stopLeftovers } from './pid-files';
import { removeCluster } from './postgres-cluster';

/**
 * Ends and removes throwaway servers whose run was killed before it could. Those of runs that are alive are left
 * alone, and so is one whose pid file is not written yet or that cannot be removed.
 * @param prefix - how the directories' paths begin
 */
export async function removeAbandoned(prefix: string): Promise<void> {
  const parent = path.dirname(prefix);
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((entry) => entry.startsWith(path.basename(prefix)))) {
    const directory = path.join(parent, name);
    const files = await readdir(directory).catch(() => []);
    if (!files.some((file) => file.endsWith('.pid.json'))) continue;
    try {
      await stopLeftovers(directory);
      await removeCluster(directory);
    } catch {
      // It belongs to a run that is alive, or to another user: not ours to remove.
    }
  }
}
