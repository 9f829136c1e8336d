import { ALL_ARMS } from '../arms';
import type { Figures } from '../cell';
import { LOADS } from '../loads';
import { median } from '../quantiles';
import type { CellResult, Results } from './results';

/** Columns of the table, each the median of a cell's rounds. */
const COLUMNS: readonly { title: string; text: (rounds: readonly Figures[]) => string }[] = [
  { title: 'accepted/s', text: of((one) => one.acceptedPerSecond) },
  { title: 'completed/s', text: of((one) => one.completedPerSecond) },
  { title: '201 p50 / p99 ms', text: both((one) => one.answeredMs) },
  { title: 'commit→notified p50 / p99 ms', text: both((one) => one.notifiedMs) },
  { title: 'CPU ms/order (node / postgres / engine)', text: cpu },
  { title: 'commits/order (own + Temporal)', text: commits },
  { title: 'history events/order', text: of((one) => one.historyEventsPerOrder) },
  { title: 'refused', text: sum((one) => one.refused) },
  { title: 'lost', text: sum((one) => one.lost) },
  { title: 'duplicated', text: sum((one) => one.duplicated) },
  { title: 'oversold', text: sum((one) => one.oversold) },
];

/** Three digits are more than two runs agree on. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(value < 1 ? 2 : 3);
}

function of(figure: (one: Figures) => number): (rounds: readonly Figures[]) => string {
  return (rounds) => shown(median(rounds.map(figure)));
}

function both(
  spread: (one: Figures) => { p50: number; p99: number },
): (rounds: readonly Figures[]) => string {
  return (rounds) => `${of((one) => spread(one).p50)(rounds)} / ${of((one) => spread(one).p99)(rounds)}`;
}

/** What must be zero is added up: one bad round in five must not vanish in a median. */
function sum(figure: (one: Figures) => number): (rounds: readonly Figures[]) => string {
  return (rounds) => String(rounds.reduce((total, one) => total + figure(one), 0));
}

function cpu(rounds: readonly Figures[]): string {
  const node = median(rounds.map((one) => one.cpuMsPerOrder.node));
  const postgres = median(rounds.map((one) => one.cpuMsPerOrder.postgres));
  const engine = median(rounds.map((one) => one.cpuMsPerOrder.engine));
  return `${shown(node + postgres + engine)} (${[node, postgres, engine].map(shown).join(' / ')})`;
}

function commits(rounds: readonly Figures[]): string {
  const application = median(rounds.map((one) => one.commitsPerOrder.application));
  const temporal = median(rounds.map((one) => one.commitsPerOrder.temporal));
  return temporal === 0 ? shown(application) : `${shown(application)} + ${shown(temporal)}`;
}

function row(cell: CellResult): string[] {
  if (cell.rounds.length === 0) return [cell.arm, `not run: ${firstLine(cell.notRun ?? '')}`];
  return [cell.arm, ...COLUMNS.map(({ text }) => text(cell.rounds))];
}

const REASON_CHARACTERS_MAX = 120;

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(0, REASON_CHARACTERS_MAX).replaceAll('|', ' ');
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${header.map((_, index) => cells[index] ?? '').join(' | ')} |`;
  return [
    line(header),
    line(header.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rows.map(line),
  ].join('\n');
}

/** All that was measured, a table for each load, in Markdown. */
export function tablesOf(results: Results): string {
  const sections = LOADS.flatMap((load) => {
    const cells = ALL_ARMS.flatMap((arm) =>
      results.cells.filter((cell) => cell.load === load.name && cell.arm === arm.name),
    );
    if (cells.length === 0) return [];
    const rounds = Math.max(...cells.map((cell) => cell.rounds.length));
    const table = markdownTable(['arm', ...COLUMNS.map(({ title }) => title)], cells.map(row));
    return [`### ${load.title} (${load.name}; median of ${rounds})\n\n${table}`];
  });
  const scenarios = results.scenarios.map(
    ({ scenario, figures, at, commit }) =>
      `### ${scenario} (${at}, commit ${commit})\n\n\`\`\`json\n${JSON.stringify(figures, null, 2)}\n\`\`\``,
  );
  return `${[...sections, surroundingsOf(results), ...scenarios].filter((text) => text !== '').join('\n\n')}\n`;
}

/** Cells that were measured again by themselves may have another commit than the rest. */
function surroundingsOf({ cells }: Results): string {
  const last = cells.at(-1);
  if (last === undefined) return '';
  const commits = [...new Set(cells.map(({ commit }) => commit))].join(', ');
  const versions = Object.entries(last.versions).map(([name, version]) => `${name} ${version}`);
  return `Measured until ${last.at} on ${last.machine}; commit ${commits}; ${versions.join('; ')}.`;
}

/** Of the first arm to each other one, pair by pair; empty where fewer than two were measured. */
export function ratiosOf(cells: readonly CellResult[]): string {
  const [first, ...others] = cells.filter(({ rounds }) => rounds.length > 0);
  if (first === undefined || others.length === 0) return '';
  const rows = others.map((other) => [
    `${first.arm} / ${other.arm}`,
    ...RATIOS.map(({ figure }) => ratio(first.rounds, other.rounds, figure)),
  ]);
  return markdownTable([`${first.load}: median of the pairs`, ...RATIOS.map(({ title }) => title)], rows);
}

const RATIOS: readonly { title: string; figure: (one: Figures) => number }[] = [
  { title: 'completed/s', figure: (one) => one.completedPerSecond },
  { title: '201 p50', figure: (one) => one.answeredMs.p50 },
  { title: 'commit→notified p50', figure: (one) => one.notifiedMs.p50 },
];

function ratio(
  left: readonly Figures[],
  right: readonly Figures[],
  figure: (one: Figures) => number,
): string {
  const pairs = left.slice(0, right.length).map((one, index) => figure(one) / figure(right[index]!));
  return `${shown(median(pairs))} (${pairs.map(shown).join(', ')})`;
}
