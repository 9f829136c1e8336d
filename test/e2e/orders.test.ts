import { readEvidence, type StoredEvidence } from '../../src/dev/evidence-log';
import { controlFake } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { PHONE_CANARY, startStack, type HttpAnswer, type NewOrder, type Stack } from './stack';

/** A whole system: real PostgreSQL, real Temporal, API and worker as processes of their own, simulated providers. */
let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
  await stack.sendToSink({ name: 'everything', path: '/everything' });
}, 90_000);
afterAll(() => stack.stop(), 60_000);

async function place(order: NewOrder): Promise<{ orderId: string; answer: HttpAnswer }> {
  const answer = await stack.placeOrder(order);
  return { orderId: String(answer.body['orderId']), answer };
}

const reaches = (orderId: string, status: string): Promise<true> =>
  waitFor(
    `order ${orderId} is ${status}`,
    async () => (await stack.orderStatus(orderId)) === status || undefined,
    { describe: async () => (await stack.request('GET', `/v1/orders/${orderId}/timeline`)).text },
  );

const stockOf = async (sku: string): Promise<Record<string, unknown>> =>
  (await stack.request('GET', `/v1/inventory/${sku}`)).body;

const orderOf = async (orderId: string): Promise<Record<string, unknown>> =>
  (await stack.request('GET', `/v1/orders/${orderId}`)).body;

const received = (path: string): StoredEvidence[] =>
  readEvidence(stack.logFiles.sink).filter((entry) => entry.type === 'received' && entry['path'] === path);

const accepted = (orderId: string): string[] =>
  readEvidence(stack.logFiles.twilio)
    .filter((entry) => entry.type === 'accepted' && String(entry['body']).includes(orderId))
    .map((entry) => String(entry['body']));

const money = (orderId: string, type: string): number[] =>
  readEvidence(stack.logFiles.payments)
    .filter((entry) => entry.type === type && entry['orderId'] === orderId)
    .map((entry) => Number(entry['amountMinor']));

/** Events of an order with their status, oldest first. */
async function eventsOf(orderId: string): Promise<{ type: string; status: string }[]> {
  const { body } = await stack.request('GET', `/v1/events?orderId=${orderId}`);
  const events = body['data'] as { 'detail-type': string; status: string; detail: { seq: number } }[];
  return events
    .sort((a, b) => a.detail.seq - b.detail.seq)
    .map((event) => ({ type: event['detail-type'], status: event.status }));
}

const published = (orderId: string, types: string[]): Promise<unknown> =>
  waitFor(
    `order ${orderId} has published ${types.join(', ')}`,
    async () => {
      const events = await eventsOf(orderId);
      return JSON.stringify(events) === JSON.stringify(types.map((type) => ({ type, status: 'PUBLISHED' })));
    },
    { describe: async () => JSON.stringify(await eventsOf(orderId)) },
  );

const told = (orderId: string, texts: string[]): Promise<unknown> =>
  waitFor(
    `the customer was told: ${texts.join(' | ')}`,
    () => JSON.stringify(accepted(orderId).sort()) === JSON.stringify([...texts].sort()),
    { describe: () => JSON.stringify(accepted(orderId)) },
  );

describe('an order', () => {
  it('without payment is confirmed with its commit, published and told', async () => {
    const sku = await stack.stock('NONE-1', 5);

    const { orderId, answer } = await place({ key: 'none', sku, quantity: 2 });

    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/orders/${orderId}`);
    expect(answer.body).toMatchObject({
      status: 'CONFIRMED',
      totalMinor: 2_000,
      payment: { status: 'NONE' },
    });
    expect(await stockOf(sku)).toEqual({ sku, available: 3, reserved: 0, sold: 2 });
    await published(orderId, ['order.confirmed']);
    await told(orderId, [`Order #${orderId} confirmed.`]);
  });

  it('with a good card is paid, settled, and confirmed only after the money', async () => {
    const sku = await stack.stock('VISA-1', 5);

    const { orderId, answer } = await place({ key: 'visa', sku, quantity: 2, method: 'tok_visa' });

    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ status: 'PENDING_PAYMENT', payment: { status: 'PENDING' } });
    await reaches(orderId, 'CONFIRMED');
    expect(await orderOf(orderId)).toMatchObject({ payment: { status: 'PAID', capturedMinor: 2_000 } });
    expect(await stockOf(sku)).toEqual({ sku, available: 3, reserved: 0, sold: 2 });
    expect(money(orderId, 'captured')).toEqual([2_000]);
    await published(orderId, ['order.placed', 'order.confirmed']);
    await told(orderId, [`Order #${orderId} confirmed.`]);
  });

  it.each([
    ['tok_declined', 'card_declined'],
    ['tok_insufficient_funds', 'insufficient_funds'],
    ['tok_requires_action', 'requires_action'],
    ['tok_error', 'gateway_error'],
  ])('with %s fails, gives its stock back and says so', async (method, code) => {
    const sku = await stack.stock(`FAIL-${method}`, 5);

    const { orderId, answer } = await place({ key: method, sku, quantity: 2, method });

    expect(answer.status).toBe(201);
    await reaches(orderId, 'FAILED');
    expect(await orderOf(orderId)).toMatchObject({ payment: { status: 'FAILED', errorCode: code } });
    expect(await stockOf(sku)).toEqual({ sku, available: 5, reserved: 0, sold: 0 });
    expect(money(orderId, 'captured')).toEqual([]);
    await published(orderId, ['order.placed', 'order.payment_failed']);
    await told(orderId, [`Payment for order #${orderId} failed. Anything taken goes back to you.`]);
  });

  it('that wants more than there is is refused, leaves nothing behind and is refused again byte for byte', async () => {
    const sku = await stack.stock('SHORT-1', 1);

    const { answer } = await place({ key: 'short', sku, quantity: 2 });
    const again = await stack.placeOrder({ key: 'short', sku, quantity: 2 });

    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'out_of_stock' });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.text).toBe(answer.text);
    expect(await stockOf(sku)).toEqual({ sku, available: 1, reserved: 0, sold: 0 });
    const orderId = String(answer.body['orderId']);
    expect(await eventsOf(orderId)).toEqual([]);
    expect(accepted(orderId)).toEqual([]);
  });

  it('for a SKU that does not exist is refused', async () => {
    const { answer } = await place({ key: 'unknown', sku: 'NO-SUCH-SKU' });

    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({ code: 'unknown_sku' });
  });

  it('asked for by 200 requests of one key at once is one order, with the same bytes for all', async () => {
    const sku = await stack.stock('CROWD-1', 500);

    const answers = await Promise.all(
      Array.from({ length: 200 }, () => stack.placeOrder({ key: 'crowd', sku, wait: 30 })),
    );

    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    const replayed = answers.filter((answer) => answer.headers.get('idempotent-replayed') === 'true');
    expect(replayed).toHaveLength(199);
    expect(await stockOf(sku)).toEqual({ sku, available: 499, reserved: 0, sold: 1 });
    const { rows } = await stack.database.pool.query('select 1 from aftercommit.order_lines where sku = $1', [
      sku,
    ]);
    expect(rows).toHaveLength(1);
    const orderId = String(answers[0]?.body['orderId']);
    await told(orderId, [`Order #${orderId} confirmed.`]);
  });

  it('whose key comes with another body is refused', async () => {
    const sku = await stack.stock('KEY-1', 5);
    await place({ key: 'key', sku });

    const other = await stack.placeOrder({ key: 'key', sku, quantity: 2 });

    expect(other.status).toBe(422);
    expect(other.body).toMatchObject({ code: 'idempotency_key_reused' });
  });
});

describe('cancelling', () => {
  it('while the gateway has not answered ends in CANCELLED with no money moved', async () => {
    const sku = await stack.stock('CANCEL-1', 5);
    const { orderId } = await place({ key: 'cancel', sku, quantity: 2, method: 'tok_timeout_then_success' });
    await waitFor('the gateway has authorized', () => money(orderId, 'authorized').length > 0);

    const answer = await stack.request('POST', `/v1/orders/${orderId}/cancel`, undefined, {
      prefer: 'wait=30',
    });

    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ status: 'CANCELLED' });
    expect(await stockOf(sku)).toEqual({ sku, available: 5, reserved: 0, sold: 0 });
    const sum = (type: string): number => money(orderId, type).reduce((total, amount) => total + amount, 0);
    expect(sum('captured') - sum('refunded')).toBe(0);
    expect(sum('captured') === 0 ? money(orderId, 'voided') : []).toEqual([2_000]);
    await published(orderId, ['order.placed', 'order.cancelled']);
    await told(orderId, [`Order #${orderId} cancelled.`]);
  });

  it('a confirmed order is too late', async () => {
    const sku = await stack.stock('CANCEL-2', 5);
    const { orderId } = await place({ key: 'cancel-late', sku });

    const answer = await stack.request('POST', `/v1/orders/${orderId}/cancel`);

    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'order_not_cancellable', state: 'CONFIRMED' });
  });
});

describe('refunding', () => {
  it('goes in parts up to what was captured and not further, and tells of each', async () => {
    const sku = await stack.stock('REFUND-1', 5);
    const { orderId } = await place({ key: 'refund', sku, quantity: 2, method: 'tok_visa' });
    await reaches(orderId, 'CONFIRMED');
    const refund = (key: string, body: object): Promise<HttpAnswer> =>
      stack.request('POST', `/v1/orders/${orderId}/refunds`, body, { 'idempotency-key': key });
    const paymentStatus = (status: string): Promise<unknown> =>
      waitFor(`payment is ${status}`, async () => {
        const { payment } = (await orderOf(orderId)) as { payment: { status: string } };
        return payment.status === status;
      });

    const part = await refund('part', { amountMinor: 500, reason: 'scratched' });
    await paymentStatus('PARTIALLY_REFUNDED');
    const tooMuch = await refund('too-much', { amountMinor: 1_501 });
    const rest = await refund('rest', {});
    await paymentStatus('REFUNDED');
    const repeated = await refund('part', { amountMinor: 500, reason: 'scratched' });

    expect(part).toMatchObject({ status: 202, body: { amountMinor: 500 } });
    expect(tooMuch).toMatchObject({ status: 422, body: { refundableMinor: 1_500 } });
    expect(rest).toMatchObject({ status: 202, body: { amountMinor: 1_500 } });
    expect(repeated).toMatchObject({
      status: 202,
      body: { status: 'DONE', refundId: part.body['refundId'] },
    });
    expect(money(orderId, 'refunded')).toEqual([500, 1_500]);
    expect(await stack.orderStatus(orderId)).toBe('CONFIRMED');
    expect(await stockOf(sku)).toMatchObject({ available: 3, sold: 2 });
    await published(orderId, ['order.placed', 'order.confirmed', 'order.refunded', 'order.refunded']);
    await told(orderId, [
      `Order #${orderId} confirmed.`,
      `Order #${orderId}: EUR 5.00 refunded.`,
      `Order #${orderId}: EUR 15.00 refunded.`,
    ]);
  });

  it('an order that nothing was captured for is refused', async () => {
    const sku = await stack.stock('REFUND-2', 5);
    const { orderId } = await place({ key: 'refund-none', sku });

    const answer = await stack.request(
      'POST',
      `/v1/orders/${orderId}/refunds`,
      {},
      { 'idempotency-key': 'refund-of-none' },
    );

    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'nothing_captured' });
  });
});

describe('publishing', () => {
  it('sends an http target what its transformer makes of each event, in order of seq', async () => {
    const customerId = 'cus_transformed';
    await stack.sendToSink({
      name: 'transformed',
      path: '/transformed',
      detail: { customerId: [customerId] },
      transformer: {
        inputPathsMap: { id: '$.detail.orderId', what: '$.detail-type', seq: '$.detail.seq' },
        inputTemplate: '{"order":"<id>","what":<what>,"seq":<seq>,"to":"<aftercommit.customer.phone>"}',
      },
    });
    const sku = await stack.stock('TARGET-1', 5);

    const { orderId } = await place({ key: 'transformed', sku, customerId, method: 'tok_visa' });
    await published(orderId, ['order.placed', 'order.confirmed']);

    const bodies = received('/transformed').map((entry) => JSON.parse(String(entry['body'])) as unknown);
    expect(bodies).toEqual([
      { order: orderId, what: 'order.placed', seq: 1, to: PHONE_CANARY },
      { order: orderId, what: 'order.confirmed', seq: 2, to: PHONE_CANARY },
    ]);
    const plain = received('/everything')
      .map((entry) => JSON.parse(String(entry['body'])) as { detail: { orderId: string; seq: number } })
      .filter((event) => event.detail.orderId === orderId);
    expect(plain.map((event) => event.detail.seq)).toEqual([1, 2]);
  });

  it('repeats what a target answers 503 to, with the same id and bytes, until it is taken', async () => {
    const customerId = 'cus_flaky';
    const detail = { customerId: [customerId] };
    await stack.sendToSink({ name: 'flaky', path: '/flaky', detail });
    await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/flaky', status: 503, times: 2 }] });
    const sku = await stack.stock('TARGET-2', 5);

    const { orderId } = await place({ key: 'flaky', sku, customerId });
    await published(orderId, ['order.confirmed']);

    const tries = received('/flaky');
    expect(tries.map((entry) => entry['answer'])).toEqual([503, 503, 200]);
    expect(new Set(tries.map((entry) => entry['body'])).size).toBe(1);
    const ids = tries.map((entry) => (entry['headers'] as Record<string, string>)['webhook-id']);
    expect(new Set(ids).size).toBe(1);
    const { body } = await stack.request('GET', `/v1/deliveries?orderId=${orderId}&target=flaky`);
    const [delivery] = body['data'] as { state: string; attempts: { status: number; result: string }[] }[];
    expect(delivery?.state).toBe('DELIVERED');
    expect(delivery?.attempts.map(({ status, result }) => [status, result])).toEqual([
      [503, 'retry'],
      [503, 'retry'],
      [200, 'delivered'],
    ]);
  });

  it('makes a dead letter of what a target answers 400 to, and leaves the order alone', async () => {
    const customerId = 'cus_refused';
    await stack.sendToSink({
      name: 'refusing',
      path: '/refusing',
      detail: { customerId: [customerId] },
    });
    await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/refusing', status: 400, times: 100 }] });
    const sku = await stack.stock('TARGET-3', 5);

    const { orderId } = await place({ key: 'refusing', sku, customerId });

    const dead = await waitFor('a dead letter', async () => {
      const { body } = await stack.request('GET', `/v1/deliveries?orderId=${orderId}&state=DEAD`);
      return (body['data'] as Record<string, unknown>[])[0];
    });
    expect(dead).toMatchObject({ target: 'refusing', state: 'DEAD', attempts: [{ status: 400 }] });
    expect(received('/refusing')).toHaveLength(1);
    expect(await stack.orderStatus(orderId)).toBe('CONFIRMED');
    await told(orderId, [`Order #${orderId} confirmed.`]);
    await waitFor('the other targets have it', async () => {
      const { body } = await stack.request('GET', `/v1/deliveries?orderId=${orderId}&state=DELIVERED`);
      return (body['data'] as unknown[]).length === 2;
    });
    expect(await eventsOf(orderId)).toEqual([{ type: 'order.confirmed', status: 'DEAD' }]);
  });
});

describe('what can be seen', () => {
  it('is the whole story in the timeline, oldest first and without the phone number', async () => {
    const sku = await stack.stock('STORY-1', 5);
    const { orderId } = await place({ key: 'story', sku, method: 'tok_visa' });
    await published(orderId, ['order.placed', 'order.confirmed']);
    await told(orderId, [`Order #${orderId} confirmed.`]);

    const { body, text } = await waitFor('the end of message and points is in the timeline', async () => {
      const answer = await stack.request('GET', `/v1/orders/${orderId}/timeline`);
      const ends = ['notification.ended', 'points.awarded'];
      return ends.every((end) => answer.text.includes(end)) && answer;
    });

    const entries = body['data'] as { at: string; type: string }[];
    const types = entries.map((entry) => entry.type);
    expect(types[0]).toBe('request.accepted');
    const counts = Object.fromEntries(
      [...new Set(types)].map((type) => [type, types.filter((t) => t === type).length]),
    );
    expect(counts).toEqual({
      'request.accepted': 1,
      'transaction.committed': 1,
      'event.committed': 2,
      'payment.intended': 1,
      'payment.captured': 1,
      'points.intended': 1,
      'points.awarded': 1,
      // Both events to the sink, the confirmation to the log too.
      'delivery.delivered': 3,
      'notification.accepted': 1,
      'notification.delivered': 1,
      'notification.ended': 1,
    });
    expect(entries.map((entry) => entry.at)).toEqual(entries.map((entry) => entry.at).sort());
    expect(text).not.toContain(PHONE_CANARY);
  });

  it('in the Web UI is the business: summary, status card and search attributes', async () => {
    const sku = await stack.stock('SEEN-1', 5);
    const { orderId } = await place({
      key: 'seen',
      sku,
      quantity: 2,
      unitPriceMinor: 999,
      method: 'tok_visa',
    });
    await reaches(orderId, 'CONFIRMED');

    const handle = stack.temporal.workflow.getHandle(`order/${orderId}`);
    await handle.result();
    const description = await handle.describe();

    expect(await description.staticSummary()).toBe('1 line, EUR 19.98');
    const attributes = Object.fromEntries(
      description.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
    );
    expect(attributes).toMatchObject({ OrderId: orderId, OrderStatus: 'CONFIRMED', PaymentStatus: 'PAID' });
    const card = await waitForCard(orderId);
    expect(card).toContain('CONFIRMED');
    expect(card).toContain('charge, PAID');
    const found = await waitFor('the run is found by its attributes', async () => {
      const query = `OrderId = '${orderId}' and OrderStatus = 'CONFIRMED' and PaymentStatus = 'PAID'`;
      for await (const run of stack.temporal.workflow.list({ query })) return run;
      return undefined;
    });
    expect(found.workflowId).toBe(`order/${orderId}`);
  });
});

/** The run's current details, as the Web UI asks for them. */
async function waitForCard(orderId: string): Promise<string> {
  const handle = stack.temporal.workflow.getHandle(`order/${orderId}`);
  const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

describe('at the end', () => {
  it('no history, log or column but its own holds the phone number, and every invariant holds', async () => {
    const histories = await stack.histories();
    expect(histories.includes('"paymentMode":"charge"')).toBe(true);

    const violations = await stack.violations();

    expect(violations).toEqual([]);
  });
});
