import { PROBE_AFTER_MS, SoldOut } from '../../src/lanes/sold-out';
import { RecentReads } from '../../src/lanes/sale-admission';

/** The end of everything that is under way without a clock. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Rig {
  memory: SoldOut;
  /** How often the accepted orders were read. */
  reads: string[];
  pass(ms: number): void;
  accepted: { ids: readonly string[] | null | Error };
  look(orderId: string, units?: number): string;
  hear(code: string | null, units?: number): Promise<void>;
}

function createRig(): Rig {
  let now = 1_000;
  const reads: string[] = [];
  const accepted: Rig['accepted'] = { ids: ['accepted'] };
  const memory = new SoldOut({
    readAccepted(saleId) {
      reads.push(saleId);
      return accepted.ids instanceof Error ? Promise.reject(accepted.ids) : Promise.resolve(accepted.ids);
    },
    now: () => now,
  });
  memory.isListening = true;
  return {
    memory,
    reads,
    accepted,
    pass: (ms) => void (now += ms),
    look: (orderId, units = 1) => memory.look({ saleId: 'sale', orderId, units }),
    async hear(code, units = 1) {
      memory.hear({ saleId: 'sale', orderId: 'any', units }, code);
      await settled();
    },
  };
}

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});

it('knows nothing of a sale before a commit has said something', () => {
  expect(rig.look('one')).toBe('ask');
});

it('answers everybody from memory once a commit has said that it is sold out', async () => {
  await rig.hear('sold_out');

  expect([
    rig.look('one'),
    rig.look('two'),
    rig.memory.look({ saleId: 'other', orderId: 'one', units: 1 }),
  ]).toEqual(['sold_out', 'sold_out', 'ask']);
});

it('sends a repeat of an accepted order to its stored answer, having read the accepted ones once', async () => {
  await rig.hear('sold_out');
  await rig.hear('sold_out');

  expect([rig.look('accepted'), rig.look('accepted'), rig.look('another')]).toEqual([
    'decided',
    'decided',
    'sold_out',
  ]);
  expect(rig.reads).toEqual(['sale']);
});

it('answers nobody from memory until it can tell the repeats', () => {
  rig.memory.hear({ saleId: 'sale', orderId: 'any', units: 1 }, 'sold_out');

  expect(rig.look('one')).toBe('ask');
});

it.each([
  ['the accepted orders cannot be read', new Error('gone')],
  ['there are more than memory holds', null],
])('asks for each request when %s, and reads again with the next refusal', async (_what, ids) => {
  rig.accepted.ids = ids;
  await rig.hear('sold_out');
  const before = rig.look('one');

  rig.accepted.ids = [];
  await rig.hear('sold_out');

  expect([before, rig.look('one')]).toEqual(['ask', 'sold_out']);
});

it('lets one request through after 250 ms, however many come, and another one 250 ms later', async () => {
  await rig.hear('sold_out');
  rig.pass(PROBE_AFTER_MS - 1);
  const early = rig.look('one');
  rig.pass(1);
  const due = ['one', 'two', 'three'].map((orderId) => rig.look(orderId));
  rig.pass(PROBE_AFTER_MS);
  const next = ['four', 'five'].map((orderId) => rig.look(orderId));

  expect(early).toBe('sold_out');
  expect(due).toEqual(['ask', 'sold_out', 'sold_out']);
  expect(next).toEqual(['ask', 'sold_out']);
});

it('holds on for 250 ms from the moment on which the one that was let through was refused', async () => {
  await rig.hear('sold_out');
  rig.pass(PROBE_AFTER_MS);
  rig.look('probe');
  rig.pass(100);
  await rig.hear('sold_out');
  rig.pass(PROBE_AFTER_MS - 1);
  const before = rig.look('one');
  rig.pass(1);

  expect([before, rig.look('one')]).toEqual(['sold_out', 'ask']);
});

it('lets everybody through once the one that was let through has been accepted', async () => {
  await rig.hear('sold_out');
  rig.pass(PROBE_AFTER_MS);
  rig.look('probe');
  await rig.hear(null);

  expect([rig.look('one'), rig.look('two')]).toEqual(['ask', 'ask']);
});

it('forgets a sale of which units came back, and reads its accepted orders anew', async () => {
  await rig.hear('sold_out');
  rig.memory.forget('sale');
  const after = rig.look('one');
  rig.accepted.ids = ['accepted', 'accepted later'];
  await rig.hear('sold_out');

  expect([after, rig.look('accepted later')]).toEqual(['ask', 'decided']);
  expect(rig.reads).toHaveLength(2);
});

it('does not keep what it reads of a sale that was forgotten meanwhile', async () => {
  rig.memory.hear({ saleId: 'sale', orderId: 'any', units: 1 }, 'sold_out');
  rig.memory.forget('sale');
  await settled();

  expect(rig.look('one')).toBe('ask');
});

it('refuses those who want as much as was refused, and lets those pass who want less', async () => {
  await rig.hear('sold_out', 3);
  const before = [rig.look('three', 3), rig.look('four', 4), rig.look('two', 2)];
  // One of two units was accepted: nothing is known of three.
  await rig.hear(null, 2);
  const between = rig.look('three', 3);
  rig.accepted.ids = ['accepted', 'accepted between'];
  await rig.hear('sold_out', 1);

  expect(before).toEqual(['sold_out', 'sold_out', 'ask']);
  expect(between).toBe('sold_out');
  expect([rig.look('one', 1), rig.look('accepted between', 1)]).toEqual(['sold_out', 'decided']);
});

it('takes no other refusal for sold out', async () => {
  for (const code of ['customer_limit', 'sale_closed', 'unknown_sku']) await rig.hear(code);

  expect(rig.look('one')).toBe('ask');
});

it('is not asked while nobody would tell of units that come back', async () => {
  await rig.hear('sold_out');
  rig.memory.isListening = false;
  const deaf = rig.look('one');
  await rig.hear('sold_out');
  const still = rig.look('one');
  rig.memory.isListening = true;
  const anew = rig.look('one');
  await rig.hear('sold_out');

  expect([deaf, still, anew, rig.look('one')]).toEqual(['ask', 'ask', 'ask', 'sold_out']);
});

describe('what was read a moment ago', () => {
  it('is read once for all who ask within 250 ms, and not kept when it could not be read', async () => {
    let now = 0;
    let isBroken = true;
    const asked: string[] = [];
    const reads = new RecentReads(
      (name) => {
        asked.push(name);
        return isBroken ? Promise.reject(new Error('gone')) : Promise.resolve(name);
      },
      () => now,
    );

    await expect(reads.get('a')).rejects.toThrow('gone');
    isBroken = false;
    await Promise.all([reads.get('a'), reads.get('a'), reads.get('b')]);
    now = 249;
    await reads.get('a');
    now = 250;
    await reads.get('a');
    reads.forget('a');
    await reads.get('a');

    expect(asked).toEqual(['a', 'a', 'b', 'a', 'a']);
  });
});
