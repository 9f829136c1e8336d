import path from 'node:path';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

const source = path.resolve(__dirname, '../../src');

/** Bundles workflow code from its source, so that a test never runs against an old build. */
export function bundleWorkflows(file = path.join(source, 'workflows/index.ts')): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowsPath: file,
    logger: quiet,
    // What workflows import from the package, from its source too.
    webpackConfigHook: (config) => ({
      ...config,
      resolve: {
        ...config.resolve,
        alias: { ...config.resolve?.alias, 'aftercommit/saga': path.join(source, 'saga/index.ts') },
      },
    }),
  });
}
