import { createCoalescer, type Coalescer } from '../../src/activities/coalescer';
import { DatabaseUnavailableError, UnknownSkuError } from '../../src/errors';
import { waitFor } from '../support/wait';

/** What runs until the test ends it, batch by batch. */
interface Held {
  coalescer: Coalescer<string, string>;
  /** The batches that were begun, in order. */
  batches: string[][];
  /** Ends the oldest batch that runs: as it should, or with this error. */
  end: (error?: Error) => void;
}

function held(limits: { batchMax?: number; inFlightMax?: number } = {}): Held {
  const batches: string[][] = [];
  const running: ((error?: Error) => void)[] = [];
  const coalescer = createCoalescer<string, string>({
    batchMax: 10,
    inFlightMax: 1,
    ...limits,
    run: (items) => {
      batches.push([...items]);
      return new Promise((resolve, reject) =>
        running.push((error) =>
          error === undefined ? resolve(items.map((item) => `${item}!`)) : reject(error),
        ),
      );
    },
  });
  return { coalescer, batches, end: (error) => running.shift()!(error) };
}

/** Its items fail where the function says so; a batch fails when one of its items does. */
function failing(errorOf: (item: string) => Error | undefined): {
  coalescer: Coalescer<string, string>;
  batches: string[][];
} {
  const batches: string[][] = [];
  const coalescer = createCoalescer<string, string>({
    batchMax: 10,
    inFlightMax: 1,
    run: (items) => {
      batches.push([...items]);
      const error = items.map(errorOf).find((one) => one !== undefined);
      return error === undefined ? Promise.resolve(items.map((item) => `${item}!`)) : Promise.reject(error);
    },
  });
  return { coalescer, batches };
}

/** What came of each: its result, or the message of its error. */
async function endsOf(promises: readonly Promise<string>[]): Promise<string[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message));
}

it('runs one item by itself when nothing else is there', async () => {
  const { coalescer, batches, end } = held();

  const result = coalescer.add('one');
  await waitFor('it runs', () => batches.length === 1);
  end();

  expect(await result).toBe('one!');
  expect(batches).toEqual([['one']]);
});

it('runs together what comes in one turn', async () => {
  const { coalescer, batches, end } = held();

  const results = ['one', 'two', 'three'].map((item) => coalescer.add(item));
  await waitFor('they run', () => batches.length === 1);
  end();

  expect(await Promise.all(results)).toEqual(['one!', 'two!', 'three!']);
  expect(batches).toEqual([['one', 'two', 'three']]);
});

it('gathers what comes while it is busy, and gives each item its own result', async () => {
  const { coalescer, batches, end } = held();

  const results = [coalescer.add('first')];
  await waitFor('the first runs', () => batches.length === 1);
  for (const item of ['a', 'b', 'c']) {
    results.push(coalescer.add(item));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(coalescer.waiting).toBe(3);
  end();
  await waitFor('the others run', () => batches.length === 2);
  end();

  expect(await Promise.all(results)).toEqual(['first!', 'a!', 'b!', 'c!']);
  expect(batches).toEqual([['first'], ['a', 'b', 'c']]);
  expect(coalescer.waiting).toBe(0);
});

it('keeps the size of a batch and the number of batches at once', async () => {
  const { coalescer, batches, end } = held({ batchMax: 2, inFlightMax: 2 });

  const results = ['1', '2', '3', '4', '5', '6', '7'].map((item) => coalescer.add(item));
  await waitFor('two run', () => batches.length === 2);
  expect(coalescer.waiting).toBe(3);
  end();
  await waitFor('a third runs', () => batches.length === 3);
  expect(coalescer.waiting).toBe(1);
  end();
  await waitFor('the last runs', () => batches.length === 4);
  end();
  end();

  await Promise.all(results);
  expect(batches).toEqual([['1', '2'], ['3', '4'], ['5', '6'], ['7']]);
});

it('lets only the item fail that is at fault', async () => {
  const { coalescer, batches } = failing((item) => (item === 'poison' ? new RangeError('a bug') : undefined));

  const ends = await endsOf(['one', 'poison', 'three'].map((item) => coalescer.add(item)));

  expect(ends).toEqual(['one!', 'a bug', 'three!']);
  expect(batches).toEqual([['one', 'poison', 'three'], ['one'], ['poison'], ['three']]);
});

it('takes an expected failure that repeating does not mend for one of an item', async () => {
  const { coalescer } = failing((item) =>
    item === 'poison' ? new UnknownSkuError('no such thing') : undefined,
  );

  const ends = await endsOf(['one', 'poison'].map((item) => coalescer.add(item)));

  expect(ends).toEqual(['one!', 'no such thing']);
});

it('lets all of them fail alike when a part is away: one by one they would only wait longer', async () => {
  const { coalescer, batches } = failing(() => new DatabaseUnavailableError('away'));

  const ends = await endsOf(['one', 'two'].map((item) => coalescer.add(item)));

  expect(ends).toEqual(['away', 'away']);
  expect(batches).toEqual([['one', 'two']]);
});

it('goes on after a batch that failed', async () => {
  const { coalescer, batches, end } = held();

  const first = coalescer.add('first');
  await waitFor('it runs', () => batches.length === 1);
  const second = coalescer.add('second');
  end(new DatabaseUnavailableError('away'));
  await expect(first).rejects.toThrow('away');
  await waitFor('the next one runs', () => batches.length === 2);
  end();

  expect(await second).toBe('second!');
});

it('is idle once nothing waits or runs, and not before', async () => {
  const { coalescer, batches, end } = held({ batchMax: 1 });
  await coalescer.idle();

  const results = ['one', 'two'].map((item) => coalescer.add(item));
  let isIdle = false;
  const idle = coalescer.idle().then(() => (isIdle = true));
  await waitFor('one runs', () => batches.length === 1);
  end();
  await waitFor('two runs', () => batches.length === 2);
  expect(isIdle).toBe(false);
  end();
  await idle;

  expect(await Promise.all(results)).toEqual(['one!', 'two!']);
});
