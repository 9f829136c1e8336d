import { GatewayMismatchError } from '../../src/errors';
import type { AuthorizeRequest, CaptureRequest, PaymentGateway } from '../../src/gateways/payments';

export interface PaymentGatewayUnderTest {
  gateway: PaymentGateway;
  stop(): Promise<void>;
}

/** What every payment gateway must keep. `start` brings up one without any payment; methods are those of the fake. */
export function describePaymentGatewayContract(
  name: string,
  start: () => Promise<PaymentGatewayUnderTest>,
): void {
  describe(`payment gateway contract: ${name}`, () => {
    let subject: PaymentGatewayUnderTest;
    let gateway: PaymentGateway;

    beforeEach(async () => {
      subject = await start();
      gateway = subject.gateway;
    });
    afterEach(async () => {
      await gateway.close();
      await subject.stop();
    });

    const authorizeRequest = (changes: Partial<AuthorizeRequest> = {}): AuthorizeRequest => ({
      idempotencyKey: 'pay:pay_1:1:authorize',
      paymentId: 'pay_1',
      orderId: 'ord_1',
      amountMinor: 1999,
      currency: 'EUR',
      method: 'tok_visa',
      ...changes,
    });
    const authorized = async (changes: Partial<AuthorizeRequest> = {}): Promise<string> => {
      const result = await gateway.authorize(authorizeRequest(changes));
      if (!('authorizationId' in result)) throw new Error(`not authorized: ${result.kind}`);
      return result.authorizationId;
    };
    const captureRequest = (
      authorizationId: string,
      changes: Partial<CaptureRequest> = {},
    ): CaptureRequest => ({
      idempotencyKey: 'pay:pay_1:1:capture',
      authorizationId,
      amountMinor: 1999,
      currency: 'EUR',
      ...changes,
    });
    const captured = async (changes: Partial<AuthorizeRequest> = {}): Promise<string> => {
      const result = await gateway.capture(captureRequest(await authorized(changes)));
      if (result.kind !== 'captured') throw new Error(`not captured: ${result.kind}`);
      return result.captureId;
    };
    const refund = (captureId: string, refundId: string, amountMinor: number, currency = 'EUR') =>
      gateway.refund({ idempotencyKey: `refund:${refundId}:1`, refundId, captureId, amountMinor, currency });

    it('authorizes, captures and shows what it knows', async () => {
      const captureId = await captured();

      const found = await gateway.find({ paymentId: 'pay_1' });

      expect(found).toEqual([
        {
          authorizationId: expect.any(String) as string,
          status: 'captured',
          amountMinor: 1999,
          currency: 'EUR',
          captureId,
          refunds: [],
        },
      ]);
    });

    it.each([
      ['tok_declined', 'card_declined'],
      ['tok_insufficient_funds', 'insufficient_funds'],
    ])('tells a refusal of %s, with nothing left to capture', async (method, code) => {
      expect(await gateway.authorize(authorizeRequest({ method }))).toEqual({ kind: 'declined', code });

      const [found] = await gateway.find({ paymentId: 'pay_1' });
      expect(found).toMatchObject({ status: 'declined', captureId: null });
    });

    it('makes an authorization void that waits for the customer', async () => {
      const result = await gateway.authorize(authorizeRequest({ method: 'tok_requires_action' }));
      expect(result.kind).toBe('requires_action');
      const authorizationId = 'authorizationId' in result ? result.authorizationId : '';

      expect(await gateway.capture(captureRequest(authorizationId))).toMatchObject({ kind: 'refused' });
      expect(await gateway.void({ idempotencyKey: 'pay:pay_1:1:void', authorizationId })).toEqual({
        kind: 'voided',
      });
    });

    it('answers the same key and request the same way, however often and at once', async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, () => gateway.authorize(authorizeRequest())),
      );

      expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
      expect(await gateway.find({ paymentId: 'pay_1' })).toHaveLength(1);
    });

    it('refuses the same key for another request, without retry', async () => {
      await authorized();

      const failure = await gateway
        .authorize(authorizeRequest({ amountMinor: 1 }))
        .catch((error: unknown) => error);

      expect(failure).toBeInstanceOf(GatewayMismatchError);
      expect(failure).toMatchObject({ retryable: false });
    });

    it('captures once, and tells it again under another key', async () => {
      const authorizationId = await authorized();
      const first = await gateway.capture(captureRequest(authorizationId));

      const second = await gateway.capture(captureRequest(authorizationId, { idempotencyKey: 'other' }));

      expect(second).toEqual(first);
    });

    it('captures no more than authorized and nothing in another currency', async () => {
      const authorizationId = await authorized();

      const more = await gateway.capture(captureRequest(authorizationId, { amountMinor: 2000 }));
      const other = await gateway.capture(
        captureRequest(authorizationId, { idempotencyKey: 'k2', currency: 'USD' }),
      );

      expect(more).toEqual({ kind: 'refused', code: 'capture_exceeds_authorized' });
      expect(other).toEqual({ kind: 'refused', code: 'currency_mismatch' });
    });

    it('captures nothing after a void, however often it is voided', async () => {
      const authorizationId = await authorized();

      const first = await gateway.void({ idempotencyKey: 'v1', authorizationId });
      const second = await gateway.void({ idempotencyKey: 'v2', authorizationId });

      expect([first, second]).toEqual([{ kind: 'voided' }, { kind: 'voided' }]);
      expect(await gateway.capture(captureRequest(authorizationId))).toEqual({
        kind: 'refused',
        code: 'authorization_voided',
      });
    });

    it('tells a void that came after the capture', async () => {
      const authorizationId = await authorized();
      const capture = await gateway.capture(captureRequest(authorizationId));

      const result = await gateway.void({ idempotencyKey: 'v1', authorizationId });

      expect(result).toEqual({
        kind: 'already_captured',
        captureId: capture.kind === 'captured' ? capture.captureId : null,
      });
    });

    it('counts a declined authorization as void', async () => {
      await gateway.authorize(authorizeRequest({ method: 'tok_declined' }));
      const [found] = await gateway.find({ paymentId: 'pay_1' });

      const result = await gateway.void({
        idempotencyKey: 'v1',
        authorizationId: found?.authorizationId ?? '',
      });

      expect(result).toEqual({ kind: 'voided' });
    });

    it('refunds in parts and never more than captured', async () => {
      const captureId = await captured();

      const first = await refund(captureId, 'ref_1', 1000);
      const again = await refund(captureId, 'ref_1', 1000);
      const rest = await refund(captureId, 'ref_2', 999);
      const more = await refund(captureId, 'ref_3', 1);

      expect(first.kind).toBe('refunded');
      expect(again).toEqual(first);
      expect(rest.kind).toBe('refunded');
      expect(more).toEqual({ kind: 'refused', code: 'refund_exceeds_captured' });
      const [found] = await gateway.find({ paymentId: 'pay_1' });
      expect(found?.refunds).toEqual([
        {
          refundId: 'ref_1',
          gatewayRefundId: first.kind === 'refunded' ? first.gatewayRefundId : '',
          amountMinor: 1000,
        },
        expect.objectContaining({ refundId: 'ref_2', amountMinor: 999 }),
      ]);
    });

    it('tells a refusal for good of a capture and of a refund', async () => {
      const authorizationId = await authorized({ method: 'tok_capture_refused' });
      expect(await gateway.capture(captureRequest(authorizationId))).toEqual({
        kind: 'refused',
        code: 'capture_refused',
      });

      const other = await authorized({
        method: 'tok_refund_refused',
        idempotencyKey: 'pay:pay_2:1:authorize',
        paymentId: 'pay_2',
      });
      const capture = await gateway.capture(captureRequest(other, { idempotencyKey: 'pay:pay_2:1:capture' }));
      expect(await refund(capture.kind === 'captured' ? capture.captureId : '', 'ref_1', 1)).toEqual({
        kind: 'refused',
        code: 'refund_refused',
      });
    });

    it('refuses what it does not know', async () => {
      expect(await gateway.capture(captureRequest('auth_unknown'))).toMatchObject({ kind: 'refused' });
      expect(await refund('cap_unknown', 'ref_1', 1)).toMatchObject({ kind: 'refused' });
      await expect(
        gateway.void({ idempotencyKey: 'v1', authorizationId: 'auth_unknown' }),
      ).rejects.toBeInstanceOf(GatewayMismatchError);
      expect(await gateway.find({ paymentId: 'pay_unknown' })).toEqual([]);
    });

    it('lists the authorizations of one payment newest first', async () => {
      const first = await authorized();
      const second = await authorized({ idempotencyKey: 'pay:pay_1:2:authorize' });
      await authorized({ idempotencyKey: 'pay:pay_2:1:authorize', paymentId: 'pay_2' });

      const found = await gateway.find({ paymentId: 'pay_1' });

      expect(found.map(({ authorizationId }) => authorizationId)).toEqual([second, first]);
    });
  });
}
