import fc from 'fast-check';
import {
  DEFAULT_NOTIFICATION_WAITS as waits,
  messageBody,
  nextStep,
  templateFor,
  unsentRetryInMs,
  type AttemptState,
  type LatestAttempt,
} from '../../src/domain/notifications';

const options = { waits, providerTimeoutMs: 10_000 };

function attempt(state: AttemptState, over: Partial<LatestAttempt> = {}): LatestAttempt {
  return {
    attemptId: 'a',
    n: 1,
    state,
    sendUntil: null,
    nextAttemptAt: 100,
    startedAt: 1_000,
    lookUps: 0,
    lookedUpAt: null,
    ...over,
  };
}

describe('the next step of a notification', () => {
  it('sends what is certainly unsent', () => {
    expect(nextStep(attempt('READY'), options)).toEqual({ kind: 'send', attemptId: 'a', at: 100 });
  });

  it('waits for the provider to time out before it calls a lost sender ambiguous', () => {
    expect(nextStep(attempt('SENDING', { sendUntil: 5_000 }), options)).toMatchObject({
      kind: 'declare_ambiguous',
      at: 15_000,
    });
  });

  it('looks an ambiguous message up twice before it sends again', () => {
    const kinds = [0, 1, 2].map((lookUps) =>
      nextStep(attempt('AMBIGUOUS', { lookUps, lookedUpAt: 40_000 }), options),
    );

    expect(kinds).toEqual([
      { kind: 'look_up', attemptId: 'a', at: 31_000 },
      { kind: 'look_up', attemptId: 'a', at: 100_000 },
      { kind: 'resend', attemptId: 'a', at: 40_000 },
    ]);
  });

  it('leaves it to an operator after two messages that nobody could find', () => {
    expect(nextStep(attempt('AMBIGUOUS', { n: 3, lookUps: 2 }), options)).toMatchObject({ kind: 'hold' });
  });

  it('never sends anything while an outcome is unknown and was not looked up', () => {
    const states = fc.constantFrom<AttemptState>('SENDING', 'AMBIGUOUS', 'ACCEPTED', 'REJECTED', 'HELD');
    fc.assert(
      fc.property(states, fc.integer({ min: 0, max: 1 }), fc.nat(), (state, lookUps, sendUntil) => {
        expect(['send', 'resend']).not.toContain(
          nextStep(attempt(state, { lookUps, sendUntil }), options).kind,
        );
      }),
    );
  });

  it.each(['ACCEPTED', 'REJECTED', 'HELD'] as const)('ends at %s', (state) => {
    expect(nextStep(attempt(state), options)).toEqual({ kind: 'done' });
  });
});

it('asks a provider that is away less and less often, but at least every five minutes', () => {
  expect([1, 2, 3, 100].map((sends) => unsentRetryInMs(sends, waits))).toEqual([
    5_000, 10_000, 20_000, 300_000,
  ]);
});

describe('what a customer is told', () => {
  it('says confirmed in the words of the source documents', () => {
    expect(messageBody('order.confirmed', { orderId: '42' })).toBe('Order #42 confirmed.');
  });

  it('tells nothing before the money is sure', () => expect(templateFor('order.placed')).toBeNull());

  it('names the amount of a refund', () => {
    expect(messageBody('order.refunded', { orderId: '42', amountMinor: 500, currency: 'EUR' })).toBe(
      'Order #42: EUR 5.00 refunded.',
    );
  });
});
