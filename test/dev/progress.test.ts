import { duration, progressLine, tryWithProgress, withProgress } from '../../src/dev/progress';

function collect(isTTY: boolean): {
  isTTY: boolean;
  columns: number;
  text: string;
  write(text: string): void;
} {
  return {
    isTTY,
    columns: 200,
    text: '',
    write(text: string): void {
      this.text += text;
    },
  };
}

afterEach(() => jest.useRealTimers());

it('prints a plain line every 15 s where the output is not a terminal', async () => {
  jest.useFakeTimers();
  const output = collect(false);

  const step = withProgress({ title: 'Building', estimateMs: 180_000, output }, async (report) => {
    report('812 packages compiled');
    await jest.advanceTimersByTimeAsync(31_000);
    return 'built';
  });

  expect(await step).toBe('built');
  expect(output.text.split('\n')).toEqual([
    'Building (about 3 min, only once)',
    'Building: 15 s of about 3 min (812 packages compiled)',
    'Building: 30 s of about 3 min (812 packages compiled)',
    'Building: done after 31 s',
    '',
  ]);
});

it('rewrites one line on a terminal', async () => {
  jest.useFakeTimers();
  const output = collect(true);

  await withProgress({ title: 'Building', estimateMs: 60_000, output }, () =>
    jest.advanceTimersByTimeAsync(2_000),
  );

  expect(output.text).toBe(
    'Building (about 60 s, only once)\n' +
      '\r\u001b[KBuilding: 1 s of about 60 s\r\u001b[KBuilding: 2 s of about 60 s' +
      '\r\u001b[KBuilding: done after 2 s\n',
  );
});

it('says that a step failed and passes the error on', async () => {
  const output = collect(false);

  const step = withProgress({ title: 'Building', estimateMs: 1_000, output }, () =>
    Promise.reject(new Error('no disk')),
  );

  await expect(step).rejects.toThrow('no disk');
  expect(output.text).toContain('Building: failed after 0 s\n');
});

it('says that a step failed that returns its reason', async () => {
  const output = collect(false);

  const failure = await tryWithProgress({ title: 'Asking', estimateMs: 1_000, output }, () =>
    Promise.resolve('refused'),
  );

  expect(failure).toBe('refused');
  expect(output.text).toContain('Asking: failed after 0 s\n');
});

it('admits that the estimate was too low', () => {
  const line = progressLine({ title: 'Building', estimateMs: 60_000, elapsedMs: 75_000, detail: '' });

  expect(line).toBe('Building: 75 s, longer than the 60 s expected');
});

it('writes minutes from two minutes on', () => {
  expect([0, 119_000, 120_000, 150_000].map(duration)).toEqual(['0 s', '119 s', '2 min', '2 min 30 s']);
});
