#!/usr/bin/env node
import { EXIT, runMain } from '../main';
import { rebuildOrders, reconcile } from './reconcile';

/** Commands of operators: `aftercommit <noun> <verb>`. Results on stdout, the rest on stderr, `--json` everywhere. */
const COMMANDS: Record<string, (args: string[]) => Promise<number>> = {
  reconcile,
  'orders rebuild': rebuildOrders,
};

const USAGE = `aftercommit reconcile [--kind light|full] [--dry-run] [--json]
    Looks for what is wrong, repairs what has one right answer and parks the rest. Full unless told otherwise.

aftercommit orders rebuild [--dry-run] [--json]
    Temporal's data is gone: starts a workflow for everything that is open in PostgreSQL. Repeats no charge and no message.

Ends with 0 when nothing is left open, 8 when something is, 5 when another reconciliation was running.
`;

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const words = args.findIndex((arg) => arg.startsWith('-'));
  const name = args.slice(0, words === -1 ? args.length : words).join(' ');
  const command = COMMANDS[name];
  if (command === undefined) {
    const isHelp = name === '' && (args.includes('--help') || args.length === 0);
    (isHelp ? process.stdout : process.stderr).write(USAGE);
    process.exitCode = isHelp ? EXIT.ok : EXIT.config;
    return;
  }
  process.exitCode = await command(words === -1 ? [] : args.slice(words));
}

runMain(main);
