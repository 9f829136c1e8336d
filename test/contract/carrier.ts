import type { BookRequest, Carrier, ShipmentStatus } from '../../src/gateways/carrier';
import { expectMismatch, expectUnknown, type ParticipantUnderTest } from './participant';

export interface CarrierUnderTest extends ParticipantUnderTest {
  carrier: Carrier;
  /** What the carrier does on its own. */
  advance(shipmentId: string, status: ShipmentStatus): Promise<void>;
  /** How often this shipment was booked there, by its own evidence. */
  bookings(shipmentId: string): Promise<number>;
}

/** What every carrier must keep. `start` brings up one without any shipment; postal code 00000 is refused. */
export function describeCarrierContract(name: string, start: () => Promise<CarrierUnderTest>): void {
  describe(`carrier contract: ${name}`, () => {
    let subject: CarrierUnderTest;
    let carrier: Carrier;

    beforeEach(async () => {
      subject = await start();
      carrier = subject.carrier;
    });
    afterEach(async () => {
      await carrier.close();
      await subject.stop();
    });

    const request = (changes: Partial<BookRequest> = {}): BookRequest => ({
      shipmentId: 'shp_1',
      orderId: 'ord_1',
      address: {
        name: 'Ada Grüße',
        line1: 'Main Street 1',
        postalCode: '10115',
        city: 'Berlin',
        country: 'DE',
      },
      lines: [{ sku: 'SKU-1', quantity: 2 }],
      ...changes,
    });
    const refusedRequest = (): BookRequest =>
      request({ address: { ...request().address, postalCode: '00000' } });
    const cancel = () => carrier.cancel({ shipmentId: 'shp_1' });
    const find = () => carrier.find({ shipmentId: 'shp_1' });

    it('books a shipment and shows it', async () => {
      const result = await carrier.book(request());

      expect(result).toEqual({ kind: 'booked', trackingId: expect.any(String) as string });
      expect(await find()).toEqual({
        shipmentId: 'shp_1',
        orderId: 'ord_1',
        trackingId: result.kind === 'booked' ? result.trackingId : '',
        status: 'booked',
      });
    });

    it('books once under ten bookings at once', async () => {
      const results = await Promise.all(Array.from({ length: 10 }, () => carrier.book(request())));

      expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
      expect(await subject.bookings('shp_1')).toBe(1);
    });

    it('gives every shipment a tracking id of its own', async () => {
      const results = await Promise.all([
        carrier.book(request()),
        carrier.book(request({ shipmentId: 'shp_2' })),
      ]);

      expect(new Set(results.map((result) => ('trackingId' in result ? result.trackingId : ''))).size).toBe(
        2,
      );
    });

    it.each<[string, Partial<BookRequest>]>([
      ['order', { orderId: 'ord_2' }],
      ['line', { lines: [{ sku: 'SKU-1', quantity: 3 }] }],
      ['address', { address: { ...request().address, line2: 'left' } }],
    ])('refuses the id for another %s, without retry', async (_name, changes) => {
      await carrier.book(request());

      await expectMismatch(carrier.book(request(changes)));

      expect(await subject.bookings('shp_1')).toBe(1);
    });

    it('tells a refusal for good, again and again', async () => {
      const first = await carrier.book(refusedRequest());
      const again = await carrier.book(refusedRequest());

      expect(first).toEqual({ kind: 'refused', code: 'address_refused' });
      expect(again).toEqual(first);
      expect(await find()).toBeNull();
      expect(await cancel()).toEqual({ kind: 'unknown' });
    });

    it('cancels what was booked, as often as asked, and never books it again', async () => {
      await carrier.book(request());

      const results = [await cancel(), await cancel()];

      expect(results).toEqual([{ kind: 'cancelled' }, { kind: 'cancelled' }]);
      expect(await find()).toMatchObject({ status: 'cancelled' });
      expect(await carrier.book(request())).toEqual({ kind: 'refused', code: 'cancelled' });
    });

    it('makes a booking impossible that was cancelled before it arrived', async () => {
      const results = [await cancel(), await cancel()];

      expect(results).toEqual([{ kind: 'unknown' }, { kind: 'unknown' }]);
      expect(await carrier.book(request())).toEqual({ kind: 'refused', code: 'cancelled' });
      expect(await subject.bookings('shp_1')).toBe(0);
      expect(await find()).toBeNull();
    });

    it.each<ShipmentStatus[]>([['shipped'], ['shipped', 'delivered'], ['shipped', 'returned']])(
      'cannot cancel any more after %s, and says so',
      async (...statuses) => {
        const booked = await carrier.book(request());
        for (const status of statuses) await subject.advance('shp_1', status);

        expect(await cancel()).toEqual({ kind: 'too_late' });
        expect(await find()).toMatchObject({ status: statuses.at(-1) });
        expect(await carrier.book(request())).toEqual(booked);
      },
    );

    it('knows nothing of a shipment that nobody booked', async () => {
      expect(await find()).toBeNull();
    });

    it.each(['lost_before', 'lost_after'] as const)('books once although the answer is %s', async (fault) => {
      await subject.plan(fault, 'book');

      await expectUnknown(carrier.book(request()));

      expect(await carrier.book(request())).toMatchObject({ kind: 'booked' });
      expect(await subject.bookings('shp_1')).toBe(1);
    });

    it('cancels although the answer is lost', async () => {
      await carrier.book(request());
      await subject.plan('lost_after', 'cancel');

      await expectUnknown(cancel());

      expect(await cancel()).toEqual({ kind: 'cancelled' });
    });

    it('never books a shipment whose booking was overtaken by its cancel', async () => {
      await subject.plan('late', 'book');
      await expectUnknown(carrier.book(request()));

      expect(await cancel()).toEqual({ kind: 'unknown' });
      await subject.settleLate();

      expect(await find()).toBeNull();
      expect(await subject.bookings('shp_1')).toBe(0);
    });

    it('throws when the answer names another shipment', async () => {
      await subject.plan('mismatch', 'book');

      await expectMismatch(carrier.book(request()));
    });

    it('says nothing of the person in an error', async () => {
      await subject.plan('lost_after', 'book');

      const failure = await carrier.book(request()).catch((error: unknown) => error);

      expect(JSON.stringify(failure, Object.getOwnPropertyNames(failure))).not.toMatch(/Ada|Main Street/);
    });
  });
}
