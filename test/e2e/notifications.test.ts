import { controlFake } from '../dev/fake-control';
import { readLog, type Violation } from '../chaos/checker';
import type { LogEntry } from '../chaos/evidence';
import { waitFor } from '../support/wait';
import { startStack, type Stack } from './stack';

/**
 * Messages to people against the whole product and the simulated Twilio: what becomes of them is told by its callbacks,
 * its list and its log, as with the real one.
 */
let stack: Stack;
let sku: string;
let orders = 0;

beforeAll(async () => {
  stack = await startStack({
    settings: {
      // One share of silence is a second, so this is the shortest wait that is met soon.
      AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'whatsapp=2,sms=4,voice=4',
      AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS: '1500',
    },
  });
  sku = await stack.stock('SKU-TOLD', 1_000);
}, 90_000);
afterEach(() => controlFake(stack.fakeUrls.twilio, { reset: true }));
afterAll(() => stack.stop(), 60_000);

const control = (document: object): Promise<unknown> => controlFake(stack.fakeUrls.twilio, document);

interface Placed {
  orderId: string;
  phone: string;
}

/** A confirmed order of somebody whose number nobody else has. */
async function place(channels: string[]): Promise<Placed> {
  orders += 1;
  const phone = `+1415555${String(1_000 + orders)}`;
  const customerId = `cus_told_${orders}`;
  const { status, body } = await stack.placeOrder({
    key: `told-${orders}`,
    sku,
    customerId,
    phone,
    channels,
  });
  expect(status).toBe(201);
  return { orderId: String(body['orderId']), phone };
}

interface Entry {
  type: string;
  summary: string;
}

async function timelineOf(orderId: string): Promise<Entry[]> {
  const { body } = await stack.request('GET', `/v1/orders/${orderId}/timeline`);
  return (body['data'] as Entry[]).filter(({ type }) => type.startsWith('notification.'));
}

/** The timeline's entries about messages, once the notification has ended. */
async function toldOf(orderId: string): Promise<string[]> {
  const entries = await waitFor(
    'the notification has ended',
    async () => {
      const told = await timelineOf(orderId);
      return told.some(({ type }) => type === 'notification.ended') && told;
    },
    { describe: async () => JSON.stringify(await timelineOf(orderId), null, 1) },
  );
  return entries.map(({ type, summary }) => `${type}: ${summary.replace(/ \((SM|CA)\w+\)/, '')}`);
}

const acceptedFor = ({ phone }: Placed): LogEntry[] =>
  readLog(stack.logFiles.twilio).filter(
    (entry) => entry.type === 'accepted' && String(entry['to']).endsWith(phone),
  );

async function notificationOf(orderId: string): Promise<Record<string, unknown>> {
  const { body } = await stack.request('GET', `/v1/notifications?orderId=${orderId}`);
  return (body['data'] as Record<string, unknown>[])[0]!;
}

async function workflowsOf(orderId: string): Promise<string[]> {
  const { notificationId } = await notificationOf(orderId);
  const ids: string[] = [];
  for await (const { workflowId } of stack.temporal.workflow.list({
    query: `WorkflowId = 'notify/${String(notificationId)}'`,
  }))
    ids.push(workflowId);
  return ids;
}

describe('a customer', () => {
  it('is told by one message, and its delivery starts no workflow', async () => {
    const order = await place(['sms']);

    expect(await toldOf(order.orderId)).toEqual([
      'notification.accepted: order.confirmed by sms',
      'notification.delivered: order.confirmed by sms',
      'notification.ended: order.confirmed: DELIVERED',
    ]);
    expect(acceptedFor(order)).toHaveLength(1);
    expect(await workflowsOf(order.orderId)).toEqual([]);
  });

  it("outside of WhatsApp's window is told by SMS, and the timeline says why", async () => {
    const order = await place(['whatsapp', 'sms', 'voice']);

    expect(await toldOf(order.orderId)).toEqual([
      'notification.accepted: order.confirmed by whatsapp',
      "notification.failed: order.confirmed by whatsapp: 63016 (outside WhatsApp's 24-hour window)",
      'notification.accepted: order.confirmed by sms',
      'notification.delivered: order.confirmed by sms',
      'notification.ended: order.confirmed: DELIVERED',
    ]);
    expect(acceptedFor(order).map((entry) => entry['channel'])).toEqual(['whatsapp', 'sms']);
    const { notificationId } = await notificationOf(order.orderId);
    const handle = stack.temporal.workflow.getHandle(`notify/${String(notificationId)}`);
    expect(await handle.result()).toEqual({ status: 'DELIVERED', reason: null });
  });

  it('who does not answer a message in time is called', async () => {
    await control({ outcomes: [{ match: { channel: 'sms' }, statuses: ['sent'] }] });

    const order = await place(['sms', 'voice']);

    expect(await toldOf(order.orderId)).toEqual([
      'notification.accepted: order.confirmed by sms',
      'notification.silent: order.confirmed by sms: silence (no report in time)',
      'notification.accepted: order.confirmed by voice',
      'notification.delivered: order.confirmed by voice',
      'notification.ended: order.confirmed: DELIVERED',
    ]);
  });

  it('whom nobody can reach is UNREACHED', async () => {
    await control({ outcomes: [{ statuses: ['sent', 'undelivered'], errorCode: 30003 }] });

    const order = await place(['sms']);

    expect((await toldOf(order.orderId)).at(-1)).toBe(
      'notification.ended: order.confirmed: UNREACHED, 30003',
    );
    expect(acceptedFor(order)).toHaveLength(1);
  });

  it('whose number is refused for good is told on the next channel', async () => {
    await control({ outcomes: [{ match: { channel: 'voice' }, answeredBy: 'machine_start' }] });
    orders += 1;
    const { body } = await stack.placeOrder({
      key: `told-${orders}`,
      sku,
      phone: '+15005550009',
      channels: ['sms', 'voice'],
    });

    expect(await toldOf(String(body['orderId']))).toEqual([
      expect.stringMatching(/^notification\.rejected: order\.confirmed by sms: 21614/),
      'notification.accepted: order.confirmed by voice',
      'notification.failed: order.confirmed by voice: answered_by_machine (a machine took the call)',
      'notification.ended: order.confirmed: UNREACHED, answered_by_machine',
    ]);
  });
});

describe('a call without an answer', () => {
  it.each([
    ['timeout_after_accept', 1],
    ['cut_after_accept', 1],
    ['500_after_accept', 1],
    ['no_sid', 1],
    ['html', 1],
    ['500_before_accept', 1],
    ['429', 1],
  ])('%s: the message goes out once', async (action, accepted) => {
    await control({ faults: [{ action, match: { channel: 'sms' } }] });

    const order = await place(['sms']);

    expect((await toldOf(order.orderId)).at(-1)).toBe('notification.ended: order.confirmed: DELIVERED');
    expect(acceptedFor(order)).toHaveLength(accepted);
  });

  it('is looked up when its reports are lost, and adopted', async () => {
    await control({ faults: [{ action: 'cut_after_accept' }], callbacks: { lose: true } });

    const order = await place(['sms']);

    await toldOf(order.orderId);
    expect(acceptedFor(order)).toHaveLength(1);
    expect(await notificationOf(order.orderId)).toMatchObject({
      status: 'DELIVERED',
      attempts: [{ wasAmbiguous: true, resolvedBy: 'look_up', outcome: 'delivered' }],
    });
  });

  it('whose message shows up after it was given up is owned all the same', async () => {
    await control({
      faults: [{ action: 'cut_after_accept' }],
      callbacks: { lose: true },
      listLagMs: 600_000,
    });

    const order = await place(['sms']);
    await waitFor('it is sent again', () => acceptedFor(order).length === 2);
    await control({ listLagMs: 0 });

    await toldOf(order.orderId);
    await waitFor('the first message is found', async () => {
      const { attempts } = await notificationOf(order.orderId);
      return (attempts as { messageSid: string | null }[]).every(({ messageSid }) => messageSid !== null);
    });
    expect(acceptedFor(order)).toHaveLength(2);
  });

  it('of a phone call waits for an operator, who has it made again', async () => {
    await control({ faults: [{ action: '500_before_accept', match: { channel: 'voice' } }] });

    const order = await place(['voice']);
    const held = await waitFor('the call is held', async () => {
      const { body } = await stack.request(
        'GET',
        `/v1/notifications?orderId=${order.orderId}&attemptState=HELD`,
      );
      return (body['data'] as { notificationId: string }[])[0];
    });
    const resent = await stack.request('POST', `/v1/notifications/${held.notificationId}/resend`, {});

    expect(resent.status).toBe(202);
    await toldOf(order.orderId);
    expect(await notificationOf(order.orderId)).toMatchObject({
      status: 'DELIVERED',
      attempts: [{ resolvedBy: 'operator' }, { channel: 'voice', outcome: 'delivered' }],
    });
  });
});

describe("the provider's reports", () => {
  it.each([
    ['twice and the last one first', { duplicate: 2, reorder: true }],
    ['before the answer', { early: true }],
    ['not at all', { lose: true }],
  ])('may come %s', async (_what, callbacks) => {
    await control({ callbacks });

    const order = await place(['sms']);

    expect((await toldOf(order.orderId)).at(-1)).toBe('notification.ended: order.confirmed: DELIVERED');
    expect(acceptedFor(order)).toHaveLength(1);
  });
});

describe("a person's wishes", () => {
  it('a STOP is honoured from the next message on, and a START lifts it', async () => {
    await control({ inboundUrl: `${stack.url}/webhooks/twilio/inbound` });
    const write = (from: string, body: string): Promise<Response> =>
      fetch(new URL('/_inbound', stack.fakeUrls.twilio), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ from, to: '+15005550006', body }),
      });
    const first = await place(['sms']);
    await toldOf(first.orderId);
    const again = async (key: string): Promise<string> => {
      const { body } = await stack.placeOrder({ key, sku, phone: first.phone, channels: ['sms'] });
      return (await toldOf(String(body['orderId']))).at(-1)!;
    };

    expect((await write(first.phone, 'STOP')).ok).toBe(true);
    expect(await again('told-stopped')).toBe('notification.ended: order.confirmed: SUPPRESSED, opted_out');
    expect((await write(first.phone, 'START')).ok).toBe(true);
    expect(await again('told-started')).toBe('notification.ended: order.confirmed: DELIVERED');
    expect(acceptedFor(first)).toHaveLength(2);
  });
});

it('keeps every promise', async () => {
  expect(await stack.violations()).toEqual<Violation[]>([]);
}, 90_000);
