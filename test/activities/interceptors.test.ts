import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { appErrorsAsFailures } from '../../src/activities/interceptors';
import { GatewayUnavailableError, PaymentDeclinedError } from '../../src/errors';

function run(error: Error): Promise<unknown> {
  const environment = new MockActivityEnvironment(undefined, {
    interceptors: [() => ({ inbound: appErrorsAsFailures })],
  });
  return environment.run(() => Promise.reject(error)).catch((failure: unknown) => failure);
}

describe('errors of activities', () => {
  it('does not retry when the card is declined', async () => {
    expect(await run(new PaymentDeclinedError('declined'))).toMatchObject({
      type: 'payment_declined',
      nonRetryable: true,
    });
  });

  it('retries what is unknown, when the other side asked for it', async () => {
    const failure = await run(new GatewayUnavailableError('later', { retryAfterSeconds: 7 }));

    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      type: 'gateway_unavailable',
      nonRetryable: false,
      nextRetryDelay: 7_000,
    });
  });

  it('leaves a bug as it is', async () => {
    expect(await run(new TypeError('bug'))).toMatchObject({ name: 'TypeError' });
  });
});
