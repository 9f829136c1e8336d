import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { findOnPath, runCommand } from '../../src/dev/commands';
import { tryWithProgress } from '../../src/dev/progress';

const PEERS = path.resolve(__dirname, '../peers');
const LOCK = path.join(PEERS, 'package-lock.json');
/** npm writes it last, with what it has installed. */
const INSTALLED = path.join(PEERS, 'node_modules/.package-lock.json');
/** Measured: 30 s with an empty cache of npm's. */
const INSTALL_ESTIMATE_MS = 30_000;
const INSTALL_MS_MAX = 10 * 60_000;
const OUTPUT_SHOWN_CHARACTERS = 500;

/** Installs the packages of the peers when their lock file has changed. What fails is told, and their arms are not run. */
export async function installPeers(): Promise<void> {
  if (existsSync(INSTALLED) && statSync(INSTALLED).mtimeMs >= statSync(LOCK).mtimeMs) return;
  const npm = await findOnPath('npm', process.env);
  if (npm === undefined) throw new Error('The peers are installed with npm: no npm on PATH.');
  await tryWithProgress({ title: 'Installing the peers', estimateMs: INSTALL_ESTIMATE_MS }, async () => {
    // Nothing of theirs needs a script at its installation.
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
    const result = await runCommand({ command: npm, args, cwd: PEERS, timeoutMs: INSTALL_MS_MAX });
    if (result.succeeded) return undefined;
    console.error(result.output.slice(-OUTPUT_SHOWN_CHARACTERS));
    return result.failure;
  });
}
