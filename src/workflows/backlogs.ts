import type { BacklogInput } from './messages';
import { wakeBacklog } from './steps';

/** Wakes all that waited because a rule or a target was paused. `backlog/rule/{name}`, `backlog/target/{name}`. */
export async function backlogWorkflow(of: BacklogInput): Promise<{ woken: number }> {
  return wakeBacklog(of);
}
