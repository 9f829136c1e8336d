import { ALL_ARMS } from '../arms';
import type { Figures } from '../cell';
import { median } from '../quantiles';
import type { Results } from './results';
import { shown } from './table';

/** One figure of all arms under one load, as bars. */
interface Panel {
  title: string;
  load: string;
  figure: (one: Figures) => number;
  /** Values of very different size are shown by their powers of ten. */
  scale: 'linear' | 'log';
}

const PANELS: readonly Panel[] = [
  {
    title: 'Completed orders a second, 64 connections',
    load: 'c64',
    figure: (one) => one.completedPerSecond,
    scale: 'linear',
  },
  {
    title: 'From commit to the provider, p50 ms, 64 connections (powers of ten)',
    load: 'c64',
    figure: (one) => one.notifiedMs.p50,
    scale: 'log',
  },
  {
    title: 'From commit to the provider, p50 ms, 20 orders/s (powers of ten)',
    load: 'r20',
    figure: (one) => one.notifiedMs.p50,
    scale: 'log',
  },
];

const WIDTH = 820;
const LABEL_WIDTH = 170;
const VALUE_WIDTH = 90;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 24;
const TITLE_HEIGHT = 40;
/** The shortest bar that is seen. */
const BAR_MIN = 2;

/** Hand-made, without any outside part; colours follow the reader's light or dark setting. */
export function chartOf(results: Results): string {
  let top = 8;
  const parts: string[] = [];
  for (const panel of PANELS) {
    const bars = barsOf(results, panel);
    if (bars.length === 0) continue;
    parts.push(drawPanel(panel, bars, top));
    top += TITLE_HEIGHT + bars.length * ROW_HEIGHT + 16;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img" aria-label="Benchmark: the product and its alternatives">
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .other { fill: #8c959f; }
  .ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .other { fill: #6e7681; }
    .ours { fill: #4493f8; }
  }
</style>
${parts.join('\n')}
</svg>
`;
}

interface Bar {
  name: string;
  value: number;
  isOurs: boolean;
}

function barsOf({ cells }: Results, { load, figure }: Panel): Bar[] {
  return ALL_ARMS.flatMap(({ name }) => {
    const cell = cells.find((one) => one.arm === name && one.load === load);
    if (cell === undefined || cell.rounds.length === 0) return [];
    const value = median(cell.rounds.map(figure));
    return [{ name, value, isOurs: name === 'flash' || name === 'standard' }];
  });
}

function drawPanel({ title, scale }: Panel, bars: readonly Bar[], top: number): string {
  const values = bars.map(({ value }) => value);
  const length = lengthOf(scale, values);
  const rows = bars.map((bar, index) => {
    const y = top + TITLE_HEIGHT + index * ROW_HEIGHT;
    const width = Math.max(BAR_MIN, length(bar.value) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH));
    const middle = y + BAR_HEIGHT - 3;
    return [
      `<text x="${LABEL_WIDTH - 10}" y="${middle}" text-anchor="end">${bar.name}</text>`,
      `<rect class="${bar.isOurs ? 'ours' : 'other'}" x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
      `<text x="${(LABEL_WIDTH + width + 8).toFixed(1)}" y="${middle}">${shown(bar.value)}</text>`,
    ].join('');
  });
  return [`<text class="title" x="8" y="${top + 20}">${title}</text>`, ...rows].join('\n');
}

/** Share of the panel's width that a value takes. */
function lengthOf(scale: Panel['scale'], values: readonly number[]): (value: number) => number {
  const most = Math.max(...values);
  if (scale === 'linear') return (value) => value / most;
  // One power of ten below the least, so that the least is seen too.
  const floor = Math.log10(Math.max(Math.min(...values), Number.EPSILON)) - 0.5;
  const range = Math.log10(most) - floor;
  return (value) => (Math.log10(value) - floor) / range;
}
