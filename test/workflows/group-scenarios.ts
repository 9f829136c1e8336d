import { Context } from '@temporalio/activity';
import type { Activities } from '../../src/activities';
import { groupChanged, WORKFLOW_TYPES } from '../../src/workflows/messages';
import { gate, inTurn, type Scenario } from './scenario';

type Progress = Awaited<ReturnType<Activities['finishGroup']>>;
type Closing = Awaited<ReturnType<Activities['closeGroup']>>;

const GROUP_ID = '66666666-6666-4666-8666-666666666666';
const group = {
  workflowType: WORKFLOW_TYPES.group,
  input: [{ groupId: GROUP_ID, windowMs: 1_000, graceMs: 2_000 }],
};
const unused: Closing = { kind: 'unused' };
const closed: Closing = { kind: 'closed' };

/** How far it is: nothing is left, unless told otherwise. */
function progress(waitMs: number | null, counts: Partial<Progress['counts']> = {}): Progress {
  const none = { waitingForPayment: 0, undone: 0, takenOver: 0, deliveriesOpen: 0, messagesOpen: 0 };
  return { counts: { orders: 40, confirmed: 40, ...none, ...counts }, waitMs };
}

/** Every path of the workflow of a group. */
export const groups: Scenario[] = [
  {
    ...group,
    name: 'group-finished',
    activities: { closeGroup: inTurn(closed), finishGroup: inTurn(progress(null)) },
    asks: ['closeGroup', 'finishGroup'],
    result: progress(null),
  },
  {
    ...group,
    name: 'group-unused-then-closed',
    activities: {
      closeGroup: inTurn<Closing>(unused, unused, closed),
      finishGroup: inTurn(progress(null, { orders: 0, confirmed: 0 })),
    },
    asks: ['closeGroup', 'closeGroup', 'closeGroup', 'finishGroup'],
    result: progress(null, { orders: 0, confirmed: 0 }),
  },
  {
    ...group,
    name: 'group-used-late',
    activities: {
      closeGroup: inTurn<Closing>(
        { kind: 'in_use', leftMs: 3_600_000 },
        { kind: 'in_use', leftMs: 700 },
        closed,
      ),
      finishGroup: inTurn(progress(null)),
    },
    meanwhile: { when: 'closeGroup', act: (handle) => handle.signal(groupChanged) },
    asks: ['closeGroup', 'closeGroup', 'closeGroup', 'finishGroup'],
    result: progress(null),
  },
  {
    ...group,
    name: 'group-with-orders-that-nobody-paid-for',
    activities: {
      closeGroup: inTurn(closed),
      finishGroup: inTurn(
        progress(900_000, { confirmed: 30, waitingForPayment: 10 }),
        progress(null, { confirmed: 30, undone: 7, takenOver: 3 }),
      ),
    },
    asks: ['closeGroup', 'finishGroup', 'finishGroup'],
    result: { waitMs: null, counts: { undone: 7, takenOver: 3 } },
  },
  {
    ...group,
    name: 'group-while-a-target-is-down',
    activities: {
      closeGroup: inTurn(closed),
      finishGroup: inTurn(
        ...[1_000, 2_000, 4_000, 900_000].map((waitMs) => progress(waitMs, { deliveriesOpen: 40 })),
        progress(null),
      ),
    },
    asks: ['closeGroup', ...Array<keyof Activities>(5).fill('finishGroup')],
    result: progress(null),
  },
  toldDuringItsLastLook(),
  {
    ...group,
    name: 'group-woken-after-its-end',
    input: [{ groupId: GROUP_ID, windowMs: 0, graceMs: 0, isClosed: true }],
    activities: { finishGroup: inTurn(progress(null)) },
    asks: ['finishGroup'],
    result: progress(null),
  },
  continuedAsNew(),
];

/** What is told while it looks may have come after it has looked. */
function toldDuringItsLastLook(): Scenario {
  const told = gate();
  return {
    ...group,
    name: 'group-told-of-more-during-its-last-look',
    activities: {
      closeGroup: inTurn(closed),
      finishGroup: () => told.opened.then(() => progress(null)),
    },
    meanwhile: {
      when: 'finishGroup',
      async act(handle) {
        await handle.signal(groupChanged);
        told.open();
      },
    },
    asks: ['closeGroup', 'finishGroup', 'finishGroup'],
    result: progress(null),
  };
}

/** A target that is down for hours: the run that is stored is the second one, which is told that the group is closed. */
function continuedAsNew(): Scenario {
  let firstRun: string | undefined;
  return {
    ...group,
    name: 'group-continued-as-new',
    activities: {
      closeGroup: inTurn(closed),
      finishGroup() {
        const { runId } = Context.current().info.workflowExecution!;
        firstRun ??= runId;
        return Promise.resolve(
          runId === firstRun ? progress(60_000, { deliveriesOpen: 40 }) : progress(null),
        );
      },
    },
    asks: ['finishGroup'],
    result: progress(null),
  };
}
