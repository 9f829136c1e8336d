import type { CrowdCounts } from './flash-sale-buyers';
import type { Kill } from './flash-sale-kills';
import type { Progress } from './flash-sale-progress';
import { duration, type ProgressOutput } from './progress';

/** All that the screen shows. */
export interface Shown {
  units: number;
  buyers: number;
  elapsedMs: number;
  /** What happens right now, in words. */
  phase: string;
  counts: CrowdCounts;
  waiting: number;
  kills: readonly Kill[];
  progress: Progress;
}

const BAR_CELLS = 40;
const numbers = new Intl.NumberFormat('en');
const n = (value: number): string => numbers.format(value);

function bar(value: number, of: number): string {
  const cells = Math.round((value / of) * BAR_CELLS);
  return '█'.repeat(cells) + '·'.repeat(BAR_CELLS - cells);
}

/** Other answers than these follow by their own names. */
const ANSWERS = [
  ['201', '201'],
  ['sold_out', '409 sold_out'],
  ['429', '429'],
  ['503', '503'],
  ['none', 'no answer'],
] as const;

function answersOf({ answers }: CrowdCounts): string {
  const usual = ANSWERS.map(([kind, name]) => `${name}: ${n(answers.get(kind) ?? 0)}`);
  const known = new Set<string>(ANSWERS.map(([kind]) => kind));
  // 429 has a code, which kinds leave out.
  const others = [...answers]
    .filter(([kind]) => !known.has(kind))
    .map(([kind, count]) => `${kind}: ${n(count)}`);
  return [...usual, ...others].join('   ');
}

/** The whole screen. */
export function linesOfScreen(shown: Shown): string[] {
  const { units, buyers, elapsedMs, phase, counts, waiting, progress } = shown;
  const { sold, reserved, quantity, payments, expired, cancelled, events, messages } = progress;
  const row = (name: string, text: string): string => `  ${name.padEnd(10)} ${text}`;
  const units_ = (name: string, value: number): string =>
    row(name, `${bar(value, units)} ${n(value).padStart(6)}`);
  return [
    `${n(units)} units, ${n(buyers)} buyers, ${duration(elapsedMs)}: ${phase}`,
    '',
    units_('sold', sold),
    units_('reserved', reserved),
    units_('available', quantity - sold - reserved),
    '',
    row('answers', answersOf(counts)),
    row(
      'buyers',
      `${n(counts.arrived)} came, ${n(waiting)} wait for units to come back, ${n(counts.gone)} have gone`,
    ),
    row(
      'payments',
      `${n(payments.paid)} paid, ${n(payments.underWay)} under way, ${n(payments.declined)} declined, ${n(payments.givenBack)} given back`,
    ),
    row('came back', `${n(expired)} not paid in time, ${n(cancelled)} put back`),
    row('published', `${n(events.published)} of ${n(events.all)} events`),
    row('notified', `${n(messages.delivered)} of ${n(messages.all)} messages`),
    ...killLines(shown.kills).map((line, index) => row(index === 0 ? 'kill -9' : '', line)),
  ];
}

function killLines(kills: readonly Kill[]): string[] {
  if (kills.length === 0) return ['none yet'];
  return kills.map(({ door, moment, awayMs }) => {
    const back = awayMs === null ? 'starts again' : `back after ${(awayMs / 1_000).toFixed(1)} s`;
    return `service-${door + 1} when ${moment}; ${back}`;
  });
}

/** The same on one line. */
export function lineOf({ elapsedMs, phase, counts, waiting, kills, progress }: Shown): string {
  const { sold, reserved, quantity, payments, events, messages } = progress;
  return [
    `${duration(elapsedMs).padStart(5)}  ${phase}`,
    `sold ${n(sold)}, reserved ${n(reserved)}, available ${n(quantity - sold - reserved)}`,
    answersOf(counts).replaceAll(': ', ' ').replaceAll('   ', ', '),
    `${n(waiting)} wait`,
    `${n(payments.paid)} paid, ${n(payments.declined)} declined`,
    `${n(events.published)}/${n(events.all)} published, ${n(messages.delivered)}/${n(messages.all)} notified`,
    `kills ${kills.length}`,
  ].join('; ');
}

const TERMINAL_INTERVAL_MS = 250;
const PLAIN_INTERVAL_MS = 5_000;
const COLUMNS_DEFAULT = 80;
const ESCAPE = '\u001b[';

export interface View {
  /** Leaves the whole last screen where it is. */
  close(): void;
}

/** Redraws one screen in place on a terminal, and adds a plain line every 5 s elsewhere, without control codes. */
export function openView(output: ProgressOutput, show: () => Shown): View {
  const isTerminal = output.isTTY === true;
  let drawn = 0;
  const draw = (): void => {
    if (!isTerminal) return void output.write(`${lineOf(show())}\n`);
    const width = (output.columns ?? COLUMNS_DEFAULT) - 1;
    const lines = linesOfScreen(show()).map((line) => `${ESCAPE}2K${line.slice(0, width)}\n`);
    output.write((drawn === 0 ? '' : `${ESCAPE}${drawn}A`) + lines.join(''));
    drawn = lines.length;
  };
  const timer = setInterval(draw, isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS);
  return {
    close() {
      clearInterval(timer);
      if (isTerminal) draw();
      else output.write(`\n${linesOfScreen(show()).join('\n')}\n`);
    },
  };
}
