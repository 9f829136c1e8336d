import { waitMsOf } from '../../src/http/prefer';

const wait = (prefer?: string): { waitMs: number; applied: unknown } => {
  const headers: Record<string, unknown> = {};
  const res = { setHeader: (name: string, value: unknown) => void (headers[name] = value) };
  const req = { headers: prefer === undefined ? {} : { prefer } };
  const waitMs = waitMsOf(req, res as unknown as Parameters<typeof waitMsOf>[1]);
  return { waitMs, applied: headers['Preference-Applied'] };
};

it.each([
  ['wait=5', 5_000, 'wait=5'],
  ['wait=0', 0, 'wait=0'],
  ['WAIT = "7"', 7_000, 'wait=7'],
  ['respond-async, wait=3; foo=bar', 3_000, 'wait=3'],
  ['wait=3, wait=9', 3_000, 'wait=3'],
  ['wait=61', 60_000, 'wait=60'],
  ['wait=999999999', 60_000, 'wait=60'],
])('honours %j', (prefer, waitMs, applied) => {
  expect(wait(prefer)).toEqual({ waitMs, applied });
});

it.each([
  undefined,
  '',
  'wait',
  'wait=',
  'wait=-1',
  'wait=1.5',
  'wait=abc',
  'wait="5',
  'wait=1e3',
  'waiting=5',
])('waits ten seconds for %j', (prefer) => {
  expect(wait(prefer)).toEqual({ waitMs: 10_000, applied: undefined });
});
