import { GatewayMismatchError } from '../../src/errors';
import type {
  AuthorizeRequest,
  CaptureRequest,
  ListedAuthorization,
  PaymentGateway,
} from '../../src/gateways/payments';

export interface PaymentGatewayUnderTest {
  gateway: PaymentGateway;
  /** The customer proves who they are, or does not. */
  act(authorizationId: string, isApproved: boolean): Promise<void>;
  /** As if the lifetime of all idempotency keys were over. */
  forgetKeys(): Promise<void>;
  stop(): Promise<void>;
}

/** What a gateway calls the methods, and its refusals where it has words of its own. */
export interface PaymentVocabulary {
  methods: Record<PaymentMethod, string>;
  refusals: Record<'capture' | 'refund', string>;
}

type PaymentMethod =
  'good' | 'declined' | 'insufficient' | 'requiresAction' | 'captureRefused' | 'refundRefused';

/** The words of the fake and the simulated gateway. */
const OWN_WORDS: PaymentVocabulary = {
  methods: {
    good: 'tok_visa',
    declined: 'tok_declined',
    insufficient: 'tok_insufficient_funds',
    requiresAction: 'tok_requires_action',
    captureRefused: 'tok_capture_refused',
    refundRefused: 'tok_refund_refused',
  },
  refusals: { capture: 'capture_refused', refund: 'refund_refused' },
};

/** What every payment gateway must keep. `start` brings up one without any payment. */
export function describePaymentGatewayContract(
  name: string,
  start: () => Promise<PaymentGatewayUnderTest>,
  { methods, refusals }: PaymentVocabulary = OWN_WORDS,
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
      method: methods.good,
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
      [methods.declined, 'card_declined'],
      [methods.insufficient, 'insufficient_funds'],
    ])('tells a refusal of %s, with nothing left to capture', async (method, code) => {
      expect(await gateway.authorize(authorizeRequest({ method }))).toEqual({ kind: 'declined', code });

      const [found] = await gateway.find({ paymentId: 'pay_1' });
      expect(found).toMatchObject({ status: 'declined', captureId: null });
    });

    it('makes an authorization void that waits for the customer', async () => {
      const result = await gateway.authorize(authorizeRequest({ method: methods.requiresAction }));
      expect(result.kind).toBe('requires_action');
      const authorizationId = 'authorizationId' in result ? result.authorizationId : '';

      expect(await gateway.capture(captureRequest(authorizationId))).toMatchObject({ kind: 'refused' });
      expect(await gateway.void({ idempotencyKey: 'pay:pay_1:1:void', authorizationId })).toEqual({
        kind: 'voided',
      });
    });

    it('goes on with an authorization once the customer has acted', async () => {
      const authorizationId = await authorized({ method: methods.requiresAction });

      await subject.act(authorizationId, true);

      expect(await gateway.find({ paymentId: 'pay_1' })).toMatchObject([{ status: 'authorized' }]);
      const captureKey = { idempotencyKey: 'after' };
      expect(await gateway.capture(captureRequest(authorizationId, captureKey))).toMatchObject({
        kind: 'captured',
      });
    });

    it('has nothing to capture when the customer refuses to act', async () => {
      const authorizationId = await authorized({ method: methods.requiresAction });

      await subject.act(authorizationId, false);

      expect(await gateway.find({ paymentId: 'pay_1' })).toMatchObject([{ status: 'declined' }]);
      expect(await gateway.capture(captureRequest(authorizationId))).toMatchObject({ kind: 'refused' });
      expect(await gateway.void({ idempotencyKey: 'v1', authorizationId })).toEqual({ kind: 'voided' });
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

    it('takes a forgotten key for a new request, and still shows what it did before', async () => {
      const first = await authorized();

      await subject.forgetKeys();
      const second = await authorized();

      expect(second).not.toBe(first);
      const found = await gateway.find({ paymentId: 'pay_1' });
      expect(found.map(({ authorizationId }) => authorizationId)).toEqual([second, first]);
    });

    it('captures once although the key was forgotten', async () => {
      const authorizationId = await authorized();
      const first = await gateway.capture(captureRequest(authorizationId));

      await subject.forgetKeys();

      expect(await gateway.capture(captureRequest(authorizationId))).toEqual(first);
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
      await gateway.authorize(authorizeRequest({ method: methods.declined }));
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
      const authorizationId = await authorized({ method: methods.captureRefused });
      expect(await gateway.capture(captureRequest(authorizationId))).toEqual({
        kind: 'refused',
        code: refusals.capture,
      });

      const other = await authorized({
        method: methods.refundRefused,
        idempotencyKey: 'pay:pay_2:1:authorize',
        paymentId: 'pay_2',
      });
      const capture = await gateway.capture(captureRequest(other, { idempotencyKey: 'pay:pay_2:1:capture' }));
      expect(await refund(capture.kind === 'captured' ? capture.captureId : '', 'ref_1', 1)).toEqual({
        kind: 'refused',
        code: refusals.refund,
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

    it('lists what was authorized since a time, in pages, with its payment and order', async () => {
      const createdSince = new Date(Date.now() - 60_000).toISOString();
      const made: string[] = [];
      // More than a page of the gateways that are tested here.
      for (let n = 0; n < 120; n += 1) {
        const paymentId = `pay_${n}`;
        made.push(await authorized({ idempotencyKey: paymentId, paymentId, orderId: `ord_${n}` }));
      }

      const listed: ListedAuthorization[] = [];
      for (let after: string | null = ''; after !== null;) {
        const page = await gateway.list({ createdSince, ...(after === '' ? {} : { after }) });
        listed.push(...page.authorizations);
        after = page.next;
      }

      expect(listed.map(({ authorizationId }) => authorizationId).sort()).toEqual([...made].sort());
      expect(listed.find(({ paymentId }) => paymentId === 'pay_7')).toEqual({
        authorizationId: made[7],
        status: 'authorized',
        amountMinor: 1999,
        currency: 'EUR',
        captureId: null,
        refunds: [],
        paymentId: 'pay_7',
        orderId: 'ord_7',
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      });
    });

    it('lists nothing that is older', async () => {
      await authorized();

      const page = await gateway.list({ createdSince: new Date(Date.now() + 60_000).toISOString() });

      expect(page).toEqual({ authorizations: [], next: null });
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
