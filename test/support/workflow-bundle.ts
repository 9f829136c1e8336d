import path from 'node:path';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

/** Bundles workflow code from its source, so that a test never runs against an old build. */
export function bundleWorkflows(
  file = path.resolve(__dirname, '../../src/workflows/index.ts'),
): Promise<WorkflowBundle> {
  return bundleWorkflowCode({ workflowsPath: file, logger: quiet });
}
