import { crashWorker } from '../e2e/crash';
import { FlashRig } from '../e2e/flash-rig';
import { heldBefore, heldBeforeClaimOf, type FlashPoint } from '../e2e/flash-traps';
import { controlFake } from '../dev/fake-control';
import { waitFor } from '../support/wait';

/**
 * kill -9 of a process of the flash lane at each of its boundaries, in the first attempt and in the first two; and Temporal
 * away for a minute. API and workers are one process, `service`.
 */
let rig: FlashRig;

beforeAll(async () => {
  rig = await FlashRig.open({ combined: true, withLinks: true });
}, 120_000);
afterAll(() => rig.stack.stop(), 60_000);

/** As the dead process left it: states of the event and the message, and who has heard of the order. */
interface Left {
  states: readonly string[];
  heard: { events: number; messages: number };
}

const SCENARIOS: { point: FlashPoint; what: string; left: Left; repeats: number }[] = [
  {
    point: 'commit',
    what: 'its window open and the commit not sent',
    left: { states: [], heard: { events: 0, messages: 0 } },
    repeats: 0,
  },
  {
    point: 'first attempt',
    what: 'committed and nothing sent',
    left: { states: ['SENDING'], heard: { events: 0, messages: 0 } },
    repeats: 0,
  },
  {
    point: 'event record',
    what: 'the event sent and not recorded',
    left: { states: ['SENDING'], heard: { events: 1, messages: 1 } },
    // Nobody knows that it was sent: it is sent again, and is the same.
    repeats: 1,
  },
];

describe('a process that is killed', () => {
  it.each(SCENARIOS.flatMap((scenario) => [1, 2].map((kills) => ({ ...scenario, kills }))))(
    'before its $point, $what, $kills times: the order is committed, published and told once',
    async ({ point, left, repeats, kills }) => {
      const { stack } = rig;
      const key = `${point} ${kills}`.replaceAll(' ', '-');
      const orderId = rig.orderIdOf(key);
      let reached = heldBefore(rig, point, orderId);
      const placings = [rig.place(key)];
      for (let killed = 1; killed <= kills; killed += 1) {
        await reached();
        await crashWorker(stack, async () => {
          const states = await rig.statesOf(key);
          if (left.states.length === 0) expect(states).toEqual([]);
          else expect(states).toEqual(expect.arrayContaining([...left.states]));
          expect(rig.heardOf(key)).toMatchObject({
            events: killed === 1 ? left.heard.events : killed * repeats,
          });
        });
        if (killed === kills) break;
        // Who goes on: the client with its repeat, or the workflow of the group.
        const groupId = await rig.groupOf(key);
        reached =
          point === 'first attempt' ? heldBeforeClaimOf(rig, groupId!) : heldBefore(rig, point, orderId);
        if (groupId === undefined) placings.push(rig.place(key));
      }
      rig.struck[key] = kills;
      await Promise.all(placings);
      const answer = await rig.placeUntilAnswered(key);

      expect(answer.status).toBe(201);
      await rig.untilDone([key]);
      expect(rig.heardOf(key)).toEqual({ events: 1 + kills * repeats, messages: 1 });
    },
    300_000,
  );

  it('before it records a message that was accepted: nobody is told twice', async () => {
    const key = 'message-record';
    const reached = heldBefore(rig, 'message record', rig.orderIdOf(key));
    const placing = rig.place(key);
    await reached();

    await crashWorker(rig.stack, async () => {
      expect(rig.heardOf(key).messages).toBe(1);
      expect(await rig.statesOf(key)).toContain('SENDING');
    });
    rig.struck[key] = 1;
    await placing;

    expect((await rig.placeUntilAnswered(key)).status).toBe(201);
    await rig.untilDone([key]);
    expect(rig.heardOf(key).messages).toBe(1);
  }, 180_000);
});

it('Temporal away for a minute: the open windows serve to their end, then 503; what was committed is delivered', async () => {
  const { stack } = rig;
  const { workerTemporal } = stack.links;
  // So that something is left for the workflows.
  await controlFake(stack.fakeUrls.sink, { down: true });
  const kept: string[] = [];
  let n = 0;
  const next = async () => {
    const key = `away-${(n += 1)}`;
    const answer = await rig.place(key);
    if (answer?.status === 201) kept.push(key);
    return { key, answer };
  };
  expect((await next()).answer!.status).toBe(201);

  await workerTemporal.refuse();
  workerTemporal.cut();
  const awayAt = Date.now();
  expect((await next()).answer!.status).toBe(201);
  const refused = await waitFor('no window is left', async () => {
    const { key, answer } = await next();
    return answer!.status === 503 && { key, answer: answer! };
  });
  expect(refused.answer.body['code']).toBe('temporal_unavailable');
  expect(refused.answer.headers.get('retry-after')).not.toBeNull();
  expect(await rig.groupOf(refused.key)).toBeUndefined();
  await waitFor('a minute has passed', () => Date.now() - awayAt > 60_000, { deadlineMs: 70_000 });
  expect((await rig.place(refused.key))!.status).toBe(503);
  for (const key of kept) expect(await rig.groupOf(key)).toBeDefined();

  await workerTemporal.accept();
  await controlFake(stack.fakeUrls.sink, { reset: true });
  rig.struck['temporal'] = 1;

  expect((await rig.placeUntilAnswered(refused.key)).status).toBe(201);
  for (let one = 1; one <= n; one += 1) await rig.placeUntilAnswered(`away-${one}`);
  await rig.untilDone([...kept, refused.key]);
  for (const key of kept) expect(rig.heardOf(key).messages).toBe(1);
}, 300_000);

it('every promise was kept', async () => {
  const planned = 2 * SCENARIOS.length + 1;
  expect(await rig.violations(planned)).toEqual([]);
}, 180_000);
