import { startFakeCarrier } from '../../src/dev/fake-carrier';
import type { FakeServer } from '../../src/dev/fake-server';
import { FAKE_WEBHOOK_SECRET } from '../../src/dev/signed-webhooks';
import { createCarrierWebhooks } from '../../src/gateways/carrier-webhooks';
import { waitFor } from '../support/wait';
import { controlFake, evidenceOf, temporaryLog } from './fake-control';
import { startWebhookReceiver, type WebhookReceiver } from './webhook-receiver';

const OTHER_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe('fake carrier', () => {
  const log = temporaryLog();
  let fake: FakeServer;
  let receiver: WebhookReceiver;
  let count = 0;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    fake = await startFakeCarrier({ port: 0, logFile: log.logFile });
  });
  beforeEach(async () => {
    receiver.received.length = 0;
    await controlFake(fake.url, { reset: true, webhookUrl: receiver.url });
  });
  afterAll(async () => {
    await fake.close();
    await receiver.stop();
    log.remove();
  });

  const request = async (method: string, path: string, body?: unknown) => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(`${fake.url}${path}`, init);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const booking = (changes: Record<string, unknown> = {}) => ({
    orderId: `ord_${count}`,
    address: { name: 'Ada', line1: 'Street 1', postalCode: '10115', city: 'Berlin', country: 'DE' },
    lines: [{ sku: 'SKU-1', quantity: 1 }],
    ...changes,
  });
  const book = async (): Promise<string> => {
    const shipmentId = `shp_${(count += 1)}`;
    expect(await request('PUT', `/v1/shipments/${shipmentId}`, booking())).toMatchObject({ status: 200 });
    return shipmentId;
  };
  const track = (shipmentId: string, status: string) => request('POST', '/_tracking', { shipmentId, status });
  const webhooks = (...secrets: string[]) => createCarrierWebhooks({ secrets, now: () => new Date() });
  const received = (n: number) =>
    waitFor(`${n} webhooks came`, () => receiver.received.length >= n && receiver.received);

  it('goes back to the destination and the secrets of its start', async () => {
    const ownLog = temporaryLog();
    const webhookSecrets = [OTHER_SECRET];
    const own = await startFakeCarrier({
      port: 0,
      logFile: ownLog.logFile,
      webhookUrl: receiver.url,
      webhookSecrets,
    });
    await controlFake(own.url, { webhookUrl: null, webhookSecrets: [FAKE_WEBHOOK_SECRET] });
    await controlFake(own.url, { reset: true });
    const put = (path: string, method: string, body: unknown) =>
      fetch(`${own.url}${path}`, { method, body: JSON.stringify(body) });

    await put('/v1/shipments/shp_own', 'PUT', booking());
    await put('/_tracking', 'POST', { shipmentId: 'shp_own', status: 'shipped' });

    const [request] = await received(1);
    expect(webhooks(OTHER_SECRET).read(request!)).toMatchObject({ kind: 'event' });
    await own.close();
    ownLog.remove();
  });

  it('tells where a shipment is, signed', async () => {
    const shipmentId = await book();

    await track(shipmentId, 'shipped');
    await received(1);
    await track(shipmentId, 'delivered');

    const readings = (await received(2)).map((one) => webhooks(FAKE_WEBHOOK_SECRET).read(one));
    const { body } = await request('GET', `/v1/shipments/${shipmentId}`);
    const about = {
      id: expect.stringMatching(/^msg_/) as string,
      occurredAt: expect.any(String) as string,
      shipmentId,
      trackingId: body['trackingId'],
    };
    expect(readings).toEqual([
      { kind: 'event', event: { ...about, type: 'shipment.shipped' } },
      { kind: 'event', event: { ...about, type: 'shipment.delivered' } },
    ]);
    expect(body['status']).toBe('delivered');
    expect(String(receiver.received[0]?.body)).not.toContain('Ada');
  });

  it('says nothing of what the shop did itself', async () => {
    const shipmentId = await book();

    await request('POST', `/v1/shipments/${shipmentId}/cancel`, {});
    const other = await book();
    await track(other, 'shipped');

    await received(1);
    expect(receiver.received).toHaveLength(1);
  });

  it.each([
    ['delivered', []],
    ['returned', []],
    ['shipped', ['shipped']],
    ['shipped', ['shipped', 'returned']],
  ])('cannot go to %s from %j', async (status, before) => {
    const shipmentId = await book();
    for (const one of before) await track(shipmentId, one);

    expect(await track(shipmentId, status)).toMatchObject({
      status: 409,
      body: { error: { code: 'not_possible' } },
    });
  });

  it('repeats a webhook that was not answered with 2xx, with the same id and body', async () => {
    receiver.answerNext(500);

    await track(await book(), 'shipped');

    const [first, second] = await received(2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toEqual(first?.body);
    const last = await waitFor('the repeat is in the log', async () => {
      const attempt = (await evidenceOf(fake.url, 'webhook')).at(-1);
      return attempt?.['attempt'] === 2 && attempt;
    });
    expect(last).toMatchObject({ event: 'shipment.shipped', answered: 204 });
  });

  it('sends duplicates, and signs with both secrets of a rotation', async () => {
    await controlFake(fake.url, {
      webhooks: { duplicate: 1 },
      webhookSecrets: [OTHER_SECRET, FAKE_WEBHOOK_SECRET],
    });

    await track(await book(), 'shipped');

    const both = await received(2);
    for (const secret of [OTHER_SECRET, FAKE_WEBHOOK_SECRET]) {
      const ids = both.map((one) => {
        const reading = webhooks(secret).read(one);
        return reading.kind === 'event' ? reading.event.id : reading.kind;
      });
      expect(ids).toEqual([both[0]?.headers['webhook-id'], both[0]?.headers['webhook-id']]);
    }
    expect(JSON.stringify(await evidenceOf(fake.url))).not.toContain(OTHER_SECRET);
  });

  it('loses webhooks when told to', async () => {
    await controlFake(fake.url, { webhooks: { lose: true } });

    await track(await book(), 'shipped');

    expect((await evidenceOf(fake.url, 'webhook')).at(-1)).toMatchObject({ lost: true });
    expect(receiver.received).toHaveLength(0);
  });

  it.each<[string, unknown]>([
    ['no address', { ...booking(), address: undefined }],
    ['no lines', booking({ lines: [] })],
    ['a fraction', booking({ lines: [{ sku: 'a', quantity: 1.5 }] })],
    ['a country by name', booking({ address: { ...booking().address, country: 'Germany' } })],
    ['what it does not know', booking({ extra: 1 })],
    ['no object', []],
  ])('refuses a booking with %s, and keeps nothing of it', async (_name, body) => {
    const path = `/v1/shipments/shp_${(count += 1)}`;

    expect(await request('PUT', path, body)).toMatchObject({
      status: 422,
      body: { error: { code: 'invalid_request' } },
    });
    expect(await request('PUT', path, booking())).toMatchObject({ status: 200 });
  });

  it('refuses paths, methods and control documents that it does not know', async () => {
    const statuses = [
      await request('GET', '/v1/parcels/1'),
      await request('PUT', '/v1/shipments/%E0%A4%A', booking()),
      await request('DELETE', '/v1/shipments/shp_1'),
      await request('GET', '/v1/shipments/shp_1/cancel'),
      await request('GET', '/_tracking'),
    ].map(({ status }) => status);

    expect(statuses).toEqual([404, 404, 405, 405, 405]);
    for (const document of [
      { faults: [{ operation: 'capture', action: 'cut_after' }] },
      { faults: [{ action: 'explode' }] },
      { webhookUrl: 'ftp://example.com' },
      { webhookSecrets: ['secret'] },
      { unknown: 1 },
    ]) {
      await expect(controlFake(fake.url, document)).rejects.toThrow('control refused');
    }
  });

  it('hits a planned fault only where it was aimed, and tells that it did', async () => {
    const aimed = `ord_${count + 2}`;
    const fault = { operation: 'book', action: 'refuse', code: 'no_vans', match: { orderId: aimed } };
    await controlFake(fake.url, { faults: [fault] });

    const other = await book();
    const path = `/v1/shipments/shp_${(count += 1)}`;
    const refused = [await request('PUT', path, booking()), await request('PUT', path, booking())];

    expect(await request('GET', `/v1/shipments/${other}`)).toMatchObject({ status: 200 });
    for (const one of refused) {
      expect(one).toMatchObject({ status: 409, body: { error: { code: 'no_vans' } } });
    }
    expect((await controlFake(fake.url, {}))['faults']).toMatchObject([{ fired: 1 }]);
  });

  it('is down when told to be', async () => {
    await controlFake(fake.url, { down: true });

    expect(await request('GET', '/v1/shipments/shp_1')).toMatchObject({ status: 503 });
  });

  it('knows shipments, refusals, cancels and fences after a restart', async () => {
    const [shipped, cancelled] = [await book(), await book()];
    await track(shipped, 'shipped');
    await request('POST', `/v1/shipments/${cancelled}/cancel`, {});
    await request('POST', '/v1/shipments/fenced/cancel', {});
    const nowhere = booking({ address: { ...booking().address, postalCode: '00000' } });
    await request('PUT', '/v1/shipments/refused', nowhere);
    const before = await request('GET', `/v1/shipments/${shipped}`);

    await fake.close();
    fake = await startFakeCarrier({ port: 0, logFile: log.logFile });

    expect(await request('GET', `/v1/shipments/${shipped}`)).toEqual(before);
    expect(await request('POST', `/v1/shipments/${shipped}/cancel`, {})).toMatchObject({
      body: { error: { code: 'too_late' } },
    });
    for (const [shipmentId, body, code] of [
      [cancelled, booking(), 'cancelled'],
      ['fenced', booking(), 'cancelled'],
      ['refused', nowhere, 'address_refused'],
      ['refused', booking(), 'idempotency_key_reused'],
    ] as const) {
      const own = shipmentId === cancelled ? { ...body, orderId: `ord_${count}` } : body;
      expect(await request('PUT', `/v1/shipments/${shipmentId}`, own)).toMatchObject({
        body: { error: { code } },
      });
    }
  });
});
