import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { findFreePort } from '../../src/dev/ports';
import { PID_FILE_ENDING } from '../../src/dev/pid-files';
import { findTemporalCli } from '../../src/dev/temporal-cli';
import { startTemporalServer, type TemporalServer } from '../../src/dev/temporal-server';
import { findTimeSkippingServer } from '../../src/dev/time-skipping-server';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** The SDK waits 5 s for the server; on a busy machine Java may take longer to start. */
const START_ATTEMPTS_MAX = 4;

/**
 * A test environment whose server skips time. One per test file; tear down in the order worker, environment,
 * `Runtime.instance().shutdown()`.
 */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const executable = await findTimeSkippingServer({ env: process.env, say });
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    } catch (error) {
      if (attempt >= START_ATTEMPTS_MAX) throw error;
    }
  }
}

/** What a test wants from its own server. */
export interface LocalTemporalOptions {
  namespace?: string;
  /** Name and type, such as { OrderId: 'Keyword' }. */
  searchAttributes?: Readonly<Record<string, string>>;
  /** Also starts the Web UI. Default true. */
  ui?: boolean;
}

/** A real development server on free ports, in memory. `stop()` ends it and removes its files. */
export async function startLocalTemporal(options: LocalTemporalOptions = {}): Promise<TemporalServer> {
  const { ui = true, ...rest } = options;
  const executable = await findTemporalCli({ env: process.env, say });
  const directory = await mkdtemp(path.join(tmpdir(), 'aftercommit-temporal-'));
  const port = await findFreePort({ name: 'Temporal', preferred: 0 });
  const uiPort = await findFreePort({ name: 'Web UI', preferred: 0, taken: new Set([port]) });
  const server = await startTemporalServer({
    executable,
    port,
    ...(ui ? { uiPort } : {}),
    ...rest,
    logFile: path.join(directory, 'temporal.log'),
    pidFile: path.join(directory, `temporal${PID_FILE_ENDING}`),
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return { ...server, stop };
}
