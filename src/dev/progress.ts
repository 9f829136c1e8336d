/** Where progress is written; process.stderr fits. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** What is shown about one long step. */
export interface ProgressOptions {
  /** What is done, as the beginning of a line: "building the Temporal CLI". */
  title: string;
  /** An honest guess for a 2-core machine, in milliseconds. */
  estimateMs: number;
  output?: ProgressOutput;
  /** How often a line is printed where the output is not a terminal, in milliseconds. Default 15,000. */
  plainIntervalMs?: number;
}

/** Adds what is happening right now to the next line, such as "812 packages compiled". */
export type ReportDetail = (detail: string) => void;

const PLAIN_INTERVAL_MS = 15_000;
const TERMINAL_INTERVAL_MS = 1_000;
const TERMINAL_COLUMNS = 80;
const ERASE_LINE = '\r\u001b[K';

/**
 * Runs a step that tells by its result why it failed, as withProgress.
 * @returns what the step returned: undefined for success
 */
export async function tryWithProgress(
  options: ProgressOptions,
  step: (report: ReportDetail) => Promise<string | undefined>,
): Promise<string | undefined> {
  try {
    await withProgress(options, async (report) => {
      const failure = await step(report);
      if (failure !== undefined) throw new StepFailure(failure);
    });
    return undefined;
  } catch (error) {
    if (error instanceof StepFailure) return error.message;
    throw error;
  }
}

class StepFailure extends Error {}

/**
 * Runs a step that takes long and shows what it does: the estimate first, then the time passed and the latest
 * detail, then the time it took. On a terminal one line is rewritten each second; elsewhere a plain line is added
 * every 15 s, without control codes. The step's result or error is passed on.
 */
export async function withProgress<T>(
  options: ProgressOptions,
  step: (report: ReportDetail) => Promise<T>,
): Promise<T> {
  const { title, estimateMs, output = process.stderr } = options;
  const startedAt = Date.now();
  let detail = '';
  output.write(`${title} (about ${duration(estimateMs)}, only once)\n`);
  const show = (): void => {
    const line = progressLine({ title, estimateMs, elapsedMs: Date.now() - startedAt, detail });
    output.write(output.isTTY === true ? ERASE_LINE + clip(line, output.columns) : `${line}\n`);
  };
  const interval =
    output.isTTY === true ? TERMINAL_INTERVAL_MS : (options.plainIntervalMs ?? PLAIN_INTERVAL_MS);
  const timer = setInterval(show, interval);
  const finish = (word: string): void => {
    clearInterval(timer);
    if (output.isTTY === true) output.write(ERASE_LINE);
    output.write(`${title}: ${word} after ${duration(Date.now() - startedAt)}\n`);
  };
  try {
    const result = await step((text) => (detail = text));
    finish('done');
    return result;
  } catch (error) {
    finish('failed');
    throw error;
  }
}

/** The line shown while a step runs: it says so when the estimate was too low instead of pretending. */
export function progressLine(state: {
  title: string;
  estimateMs: number;
  elapsedMs: number;
  detail: string;
}): string {
  const elapsed = duration(state.elapsedMs);
  const estimate = duration(state.estimateMs);
  const time =
    state.elapsedMs <= state.estimateMs
      ? `${elapsed} of about ${estimate}`
      : `${elapsed}, longer than the ${estimate} expected`;
  return `${state.title}: ${time}${state.detail === '' ? '' : ` (${state.detail})`}`;
}

/** "45 s" below two minutes, "2 min 30 s" from there on. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? '' : ` ${rest} s`}`;
}

/** A line that wraps could not be rewritten. */
function clip(line: string, columns = TERMINAL_COLUMNS): string {
  return line.length < columns ? line : line.slice(0, Math.max(0, columns - 1));
}
