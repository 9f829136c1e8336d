import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { bundleWorkflows } from '../support/workflow-bundle';
import { createRig } from './rig';
import { ORDER_ID } from './scenario';
import { scenarios } from './scenarios';

const FOLDER = path.join(__dirname, 'histories');
const recording = process.env['AFTERCOMMIT_RECORD_HISTORIES'] === '1';

/** Runs every scenario and stores its history: `npm run histories`. */
async function record(): Promise<void> {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const rig = await createRig();
  try {
    for (const scenario of scenarios) {
      const { handle } = await rig.run(scenario);
      const history = historyToJSON(await handle.fetchHistory());
      writeFileSync(path.join(FOLDER, `${scenario.name}.json`), `${withoutMachine(history)}\n`);
    }
  } finally {
    await rig.close();
  }
}

/** Histories name the process and host that ran them; neither matters to a replay. */
function withoutMachine(history: string): string {
  return history.replace(/("identity": ")[^"]*"/g, '$1recorded"');
}

const read = (file: string) => historyFromJSON(JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')));

let bundle: WorkflowBundle;
beforeAll(async () => {
  if (recording) await record();
  bundle = await bundleWorkflows();
}, 300_000);

describe('stored histories', () => {
  it('exist for every path', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(scenarios.map((scenario) => `${scenario.name}.json`).sort());
  });

  it.each(scenarios.map((scenario) => scenario.name))('%s replays', async (name) => {
    await Worker.runReplayHistory({ workflowBundle: bundle }, read(`${name}.json`), `order/${ORDER_ID}`);
  });

  it.each(scenarios.map((scenario) => scenario.name))('%s holds no personal data and stays small', (name) => {
    const text = readFileSync(path.join(FOLDER, `${name}.json`), 'utf8');

    expect(text).not.toMatch(/\+\d{8,15}/);
    // The budget of an order: 200 events, 256 KB.
    expect(Buffer.byteLength(text)).toBeLessThan(256 * 1024);
    expect(read(`${name}.json`).events?.length).toBeLessThanOrEqual(200);
  });

  it('do not replay on workflow code that asks for other things in another order', async () => {
    const changed = await bundleWorkflows(path.join(__dirname, 'planted-change.ts'));

    await expect(
      Worker.runReplayHistory({ workflowBundle: changed }, read('order-confirmed.json'), `order/${ORDER_ID}`),
    ).rejects.toThrow(DeterminismViolationError);
  });
});
