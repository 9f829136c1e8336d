import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { readStep } from 'aftercommit/transactions';
import { waitFor } from '../support/wait';
import { createSagaRig, keyOf, type SagaRig } from './rig';
import { decided, parkedUndos } from './workflows';

/** Sagas of a caller's own, with the kit's receipts as tombstones. */
let rig: SagaRig;
beforeAll(async () => {
  rig = await createSagaRig();
}, 90_000);
afterEach(() => rig.reset());
afterAll(() => rig.close());

const refused = (code: string) => () => ({ kind: 'refused', code });
const failing = (type: string) => () => {
  throw ApplicationFailure.nonRetryable('for good', type);
};

/** A place where a step stands still until the test opens it. */
function gate(): { happening: () => Promise<void>; reached: Promise<void>; open: () => void } {
  let arrive!: () => void;
  let open!: () => void;
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { happening: () => (arrive(), opened), reached, open };
}

const stateOf = (sagaId: string, name: string) => readStep(rig.database.pool, keyOf({ sagaId, name }));

it('undoes what was done, last first, and leaves a tombstone where nothing was', async () => {
  rig.at('inside do c', refused('sold_out'));
  const { sagaId, handle } = await rig.start('sagaWorkflow', { steps: ['a', 'b', 'c', 'd'] });

  expect(await handle.result()).toMatchObject([
    { kind: 'done' },
    { kind: 'done' },
    { kind: 'refused', code: 'sold_out' },
  ]);

  expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo b', 'undo a']);
  expect(rig.calls).toEqual(['do a', 'do b', 'do c', 'undo c', 'undo b', 'undo a']);
  expect(await stateOf(sagaId, 'a')).toMatchObject({ kind: 'undone' });
});

it('has the undo of a step that timed out before it began: nothing is undone, and the step is refused when it comes', async () => {
  const held = gate();
  rig.at('before do b', held.happening);
  const { sagaId, handle } = await rig.start('sagaWorkflow', { steps: ['a', 'b'] });

  expect(await handle.result()).toMatchObject([{ kind: 'done' }, { kind: 'unknown', code: 'timeout' }]);
  expect(await stateOf(sagaId, 'b')).toEqual({ kind: 'fenced' });

  // Temporal gave both attempts up, and both still hang in the worker. Now they go on.
  held.open();
  await waitFor('both attempts end', () => rig.outcomes.length === 3);
  const fenced = { kind: 'refused', code: 'fenced', repeated: true };
  expect(rig.outcomes.slice(1)).toEqual([fenced, fenced]);
  expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'undo a']);
});

it('waits for a step that is still running when it is undone, and then undoes it for real', async () => {
  const held = gate();
  rig.at('inside do b', held.happening);
  const { sagaId, handle } = await rig.start('sagaWorkflow', { steps: ['a', 'b'] });
  const result: Promise<unknown> = handle.result();

  await waitFor('the undo waits for the transaction of the step', async () => {
    const { rows } = await rig.database.pool.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert into "aftercommit_receipts"%'
         and $1 = any($2)`,
      ['undo b', rig.calls],
    );
    return rows.length > 0;
  });
  held.open();

  expect(await result).toMatchObject([{ kind: 'done' }, { kind: 'unknown', code: 'timeout' }]);
  expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo b', 'undo a']);
});

describe('an undo that fails', () => {
  it('is tried until it ends, also beyond the attempts of its activity, and takes effect once', async () => {
    let failures = 0;
    // After its work and before its commit: each of them is rolled back.
    rig.at('inside undo a', () => {
      if ((failures += 1) <= 7) throw new Error('not today');
    });
    rig.at('inside do b', refused('sold_out'));
    const { sagaId, handle } = await rig.start('sagaWorkflow', { steps: ['a', 'b'] });

    await handle.result();

    expect(failures).toBe(8);
    expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'undo a']);
  });

  describe('for good', () => {
    /** Steps a and b are done, c is refused, and b cannot be undone. */
    const startStuck = async (parks: boolean) => {
      rig.at('inside do c', refused('sold_out'));
      rig.at('inside undo b', failing('account_closed'));
      const started = await rig.start('sagaWorkflow', { steps: ['a', 'b', 'c'], parks });
      // Asked for later: the server skips time for whoever waits for a result, and a person decides in no time.
      const result = (): Promise<unknown> => started.handle.result();
      const untilParked = (times: number) =>
        waitFor('the undo is parked', async () => (await parked()).length === times);
      const parked = () => started.handle.query(parkedUndos);
      return { ...started, result, parked, untilParked };
    };

    it('is parked with its reason, and tried again when an operator says so', async () => {
      const { sagaId, handle, result, parked, untilParked } = await startStuck(true);
      await untilParked(1);
      await handle.signal(decided, 'retry');
      await untilParked(2);
      rig.at('inside undo b', () => null);
      await handle.signal(decided, 'retry');
      await result();

      expect(await parked()).toEqual(['b: account_closed', 'b: account_closed']);
      expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo b', 'undo a']);
    });

    it('is passed over when an operator has done it by hand', async () => {
      const { sagaId, handle, result, untilParked } = await startStuck(true);
      await untilParked(1);
      await handle.signal(decided, 'skip');
      await result();

      expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo a']);
    });

    it('is given up when an operator says so: the others are undone, and the saga says which was not', async () => {
      const { sagaId, handle, result, untilParked } = await startStuck(true);
      await untilParked(1);
      await handle.signal(decided, 'fail');
      const failure = await result().catch((error: unknown) => error);

      expect(failure).toBeInstanceOf(WorkflowFailedError);
      expect((failure as WorkflowFailedError).cause).toMatchObject({
        type: 'compensation_failed',
        nonRetryable: true,
        details: [['b']],
      });
      expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo a']);
    });

    it('is given up where nobody decides', async () => {
      const { sagaId, result } = await startStuck(false);

      await expect(result()).rejects.toMatchObject({ cause: { type: 'compensation_failed' } });
      expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo a']);
    });
  });
});

describe('a cancelled saga', () => {
  it('undoes everything all the same, also when it is cancelled while it does', async () => {
    const held = gate();
    rig.at('inside do c', refused('sold_out'));
    rig.at('before undo b', held.happening);
    const { sagaId, handle } = await rig.start('sagaWorkflow', { steps: ['a', 'b', 'c'] });
    const result: Promise<unknown> = handle.result();

    await held.reached;
    await handle.cancel();
    await waitFor('the cancel is there', async () => {
      const { events } = await handle.fetchHistory();
      return events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes);
    });
    held.open();
    await result;

    expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'do b', 'undo b', 'undo a']);
  });

  it('does not know what became of the step that was running, and undoes it too', async () => {
    const held = gate();
    rig.at('before do b', held.happening);
    const { sagaId, handle } = await rig.start('sagaWorkflow', { steps: ['a', 'b'] });
    const result: Promise<unknown> = handle.result();

    await held.reached;
    await handle.cancel();

    expect(await result).toMatchObject([{ kind: 'done' }, { kind: 'unknown', code: 'cancelled' }]);
    expect(await rig.effectsOf(sagaId)).toEqual(['do a', 'undo a']);
    expect(await stateOf(sagaId, 'b')).toEqual({ kind: 'fenced' });
    held.open();
  });
});

describe('what came of a step', () => {
  it.each<[string, () => unknown, object]>([
    ['done, with its value', () => ({ seat: '12A' }), { kind: 'done', value: { value: { seat: '12A' } } }],
    ['refused, when it returns a refusal', refused('sold_out'), { kind: 'refused', code: 'sold_out' }],
    ['refused, when it fails for good', failing('card_declined'), { kind: 'refused', code: 'card_declined' }],
    [
      'unknown, when its attempts are used up',
      () => {
        throw ApplicationFailure.retryable('no answer', 'gateway_unavailable');
      },
      { kind: 'unknown', code: 'gateway_unavailable' },
    ],
  ])('is %s', async (_what, happening, expected) => {
    rig.at('inside do a', happening);
    const { handle } = await rig.start('attemptWorkflow', { name: 'a' });

    expect(await handle.result()).toMatchObject(expected);
  });

  it('is unknown, when it timed out', async () => {
    const held = gate();
    rig.at('before do a', held.happening);
    const { handle } = await rig.start('attemptWorkflow', { name: 'a' });

    expect(await handle.result()).toEqual({ kind: 'unknown', code: 'timeout' });
    held.open();
  });
});

it('takes nothing more once it runs, and runs once', async () => {
  const { handle } = await rig.start('lateWorkflow');

  expect(await handle.result()).toBe('RangeError');
});
