import { Breakers } from '../../src/lanes/breaker';

/** Failures in a row after which nothing more is sent, and for how long. */
const FAILURES = 10;
const OPEN_MS = 5_000;

let now = 0;
let breakers: Breakers;
beforeEach(() => {
  now = 1_000;
  breakers = new Breakers(() => now);
});

const fail = (name: string, times: number): void => {
  for (let n = 0; n < times; n += 1) breakers.saw(name, true);
};

it('opens after failures in a row, for the one that fails', () => {
  fail('down', FAILURES - 1);
  breakers.saw('up', false);
  expect(breakers.open()).toEqual([]);

  fail('down', 1);

  expect(breakers.open()).toEqual(['down']);
});

it('counts anew after a call that got through', () => {
  fail('shaky', FAILURES - 1);
  breakers.saw('shaky', false);
  fail('shaky', FAILURES - 1);

  expect(breakers.open()).toEqual([]);
});

it('lets calls through again after a while, and closes with the first that succeeds', () => {
  fail('down', FAILURES);
  now += OPEN_MS;
  expect(breakers.open()).toEqual([]);

  breakers.saw('down', false);
  fail('down', FAILURES - 1);

  expect(breakers.open()).toEqual([]);
});

it('opens at once when it still fails', () => {
  fail('down', FAILURES);
  now += OPEN_MS;

  fail('down', 1);

  expect(breakers.open()).toEqual(['down']);
});
