import type { AttemptFigures, Count } from './figures';
import type { ProcessorTime } from './processor-time';

/** Everything that is told of one run. */
export interface RunFigures {
  name: string;
  sends: number;
  count: Count;
  attempts: AttemptFigures;
  /** Of the whole run until everything was at rest. */
  processorMs: ProcessorTime;
}

const perSend = (run: RunFigures, ms: number): string => (ms / run.sends).toFixed(1);
const range = (p50: number | null, p99: number | null): string =>
  p50 === null || p99 === null ? '–' : `${p50} / ${p99}`;

/** What the table says, in its order. */
const ROWS: [string, (run: RunFigures) => number | string][] = [
  ['sends', ({ sends }) => sends],
  ['accepted by the provider', ({ count }) => count.accepted],
  ['ambiguous attempts', ({ attempts }) => attempts.ambiguous],
  ['… resolved by callback', ({ attempts }) => attempts.callback],
  ['… by look-up', ({ attempts }) => attempts.lookUp],
  ['… by late look-up, after a resend', ({ attempts }) => attempts.lateLookUp],
  ['… by resend, never accepted', ({ attempts }) => attempts.resend],
  ['… by operator', ({ attempts }) => attempts.operator],
  ['not found in time, so sent again', ({ attempts }) => attempts.givenUp],
  ['**duplicates**', ({ count }) => count.duplicates],
  ['**accepted and unowned**', ({ count }) => count.unowned],
  ['orders not told', ({ count }) => count.untold],
  ['sends per second', ({ attempts }) => attempts.perSecond.toFixed(1)],
  ['claim to accept, p50 / p99 ms', ({ attempts }) => range(attempts.acceptMsP50, attempts.acceptMsP99)],
  [
    'claim to known, ambiguous, p50 / p99 ms',
    ({ attempts }) => range(attempts.knownMsP50, attempts.knownMsP99),
  ],
  ['worker, CPU ms per send', (run) => perSend(run, run.processorMs.worker)],
  ['Temporal, CPU ms per send', (run) => perSend(run, run.processorMs.temporal)],
];

/** One column a run, in Markdown, as the documentation has it. */
export function tableOf(runs: readonly RunFigures[]): string {
  const lines = [
    ['', ...runs.map(({ name }) => name)],
    ['---', ...runs.map(() => '---:')],
    ...ROWS.map(([title, of]) => [title, ...runs.map((run) => String(of(run)))]),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
