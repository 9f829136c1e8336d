import { controlFake } from '../dev/fake-control';
import { whenSent } from '../e2e/crash';
import { CLAIM, DeliveryRig, RECORD } from '../e2e/delivery-rig';
import { waitFor } from '../support/wait';

/**
 * The worker is killed with kill -9 at the points of a delivery, and started again. The points are those of reliability,
 * section 5; B4 is in test/e2e/delivery-kills. Every order goes to three targets; nothing may be lost, and what arrives twice
 * is the same.
 */
let rig: DeliveryRig;
beforeAll(async () => {
  rig = await DeliveryRig.open();
}, 90_000);
afterAll(() => rig.stack.stop(), 60_000);

describe('a worker that is killed', () => {
  it('at B1, before its claim, has told nobody and loses nothing', async () => {
    const orderId = rig.orderIdAt('B1');
    const { workerDatabase } = rig.stack.links;
    const reached = whenSent(workerDatabase, [CLAIM, orderId], () => workerDatabase.freeze('up'));

    await rig.placeAt('B1');
    await reached();
    await rig.crash(async () => {
      expect(await rig.statesOf(orderId)).toEqual({ one: 'READY', two: 'READY', three: 'READY' });
      expect(rig.arrivals(orderId)).toEqual([]);
    });

    await rig.allInState(orderId, 'DELIVERED');
  });

  it('at B2, claimed and not sent, is followed by one that sends', async () => {
    const orderId = rig.orderIdAt('B2');
    const { workerDatabase } = rig.stack.links;
    const reached = whenSent(workerDatabase, [CLAIM, orderId], () => workerDatabase.freeze('down'));

    await rig.placeAt('B2');
    await reached();
    await rig.allInState(orderId, 'SENDING');
    await rig.crash(() => Promise.resolve(expect(rig.arrivals(orderId)).toEqual([])));

    await rig.allInState(orderId, 'DELIVERED');
    expect(rig.arrivals(orderId).sort()).toEqual(['one', 'three', 'two']);
  });

  it('at B3, sent to one target of three, is followed by one that sends to the others', async () => {
    const silent = ['/two', '/three'].map((path) => ({ path, action: 'timeout_after_accept', times: 1 }));
    await controlFake(rig.stack.fakeUrls.sink, { faults: silent });

    const orderId = await rig.placeAt('B3');
    await waitFor('one is delivered', async () => (await rig.statesOf(orderId))['one'] === 'DELIVERED');
    await waitFor('all were asked', () => rig.arrivals(orderId).length === 3);
    await rig.crash();

    await rig.allInState(orderId, 'DELIVERED');
    expect(rig.arrivals(orderId).filter((path) => path === 'one')).toHaveLength(1);
  });

  it('at B5, marked and not reported, is followed by one that sends nothing again', async () => {
    const orderId = rig.orderIdAt('B5');
    const { workerDatabase, workerTemporal } = rig.stack.links;
    const reached = whenSent(workerDatabase, [CLAIM, orderId], () => {
      whenSent(workerDatabase, [RECORD], () => workerTemporal.freeze('up'));
    });

    await rig.placeAt('B5');
    await reached();
    await rig.allInState(orderId, 'DELIVERED');
    await rig.crash();

    const handle = rig.stack.temporal.workflow.getHandle(`order/${orderId}`);
    await waitFor('its workflow ends', async () => (await handle.describe()).status.name === 'COMPLETED');
    expect(rig.arrivals(orderId)).toHaveLength(3);
  });

  it('at B6, in the write of a dead letter, is followed by one that writes it', async () => {
    const orderId = rig.orderIdAt('B6');
    const { workerDatabase } = rig.stack.links;
    await controlFake(rig.stack.fakeUrls.sink, { faults: [{ path: '/two', status: 400, times: 2 }] });
    const reached = whenSent(workerDatabase, [RECORD, 'http_400'], () => workerDatabase.freeze('up'));

    await rig.placeAt('B6');
    await reached();
    await rig.crash(async () => expect((await rig.statesOf(orderId))['two']).toBe('SENDING'));

    await waitFor('it is a dead letter', async () => (await rig.statesOf(orderId))['two'] === 'DEAD');
    const { body } = await rig.stack.request('GET', `/v1/deliveries?orderId=${orderId}&state=DEAD`);
    expect(body['data']).toMatchObject([{ target: 'two', errorCode: 'http_400' }]);
  });

  it('leaves nothing that breaks an invariant', async () => {
    expect(await rig.stack.violations()).toEqual([]);
  }, 120_000);
});
