import { CancellationScope } from '@temporalio/workflow';

/**
 * The undo side of a saga. An undo is added before its step, because a step that timed out may still have happened; so
 * every undo must be safe when there is nothing to undo.
 */
export interface Compensations {
  add(name: string, undo: () => Promise<void>): void;
  /** Runs what was added, last in first out, whatever is cancelled meanwhile. Each undo is tried until it ends. */
  run(): Promise<void>;
}

export function createCompensations(): Compensations {
  const undos: { name: string; undo: () => Promise<void> }[] = [];
  return {
    add(name, undo) {
      undos.push({ name, undo });
    },
    run() {
      return CancellationScope.nonCancellable(async () => {
        for (let last = undos.pop(); last !== undefined; last = undos.pop()) await last.undo();
      });
    },
  };
}
