import { targetKindOf } from '../../../src/bus/targets';
import { failureOfNats, isNoResponders } from '../../../src/bus/targets/nats-outcome';
import { pointersOf, refusalWithoutBroker, settingsOf } from './broker-kinds';

describe('the settings of a nats target', () => {
  it('get their defaults, and are the same when they are checked again', () => {
    const settings = settingsOf('nats', { subject: 'orders.confirmed' });

    expect(settings).toEqual({ subject: 'orders.confirmed', timeoutMs: 5_000 });
    expect(settingsOf('nats', settings)).toEqual(settings);
  });

  it.each<[string, unknown, string[]]>([
    ['no object', [], ['', '/subject']],
    ['no subject', {}, ['/subject']],
    ['wildcard', { subject: 'orders.*' }, ['/subject']],
    ['wildcard at the end', { subject: 'orders.>' }, ['/subject']],
    ['empty token', { subject: 'orders..confirmed' }, ['/subject']],
    ['dot at the end', { subject: 'orders.' }, ['/subject']],
    ['space', { subject: 'orders confirmed' }, ['/subject']],
    ['line break, which would be a command of its own', { subject: 'a 0\r\nPUB b' }, ['/subject']],
    ["the server's own", { subject: '$JS.API.STREAM.DELETE.orders' }, ['/subject']],
    ['256 characters', { subject: 'x'.repeat(256) }, ['/subject']],
    ['address of a server', { subject: 'a', servers: ['10.0.0.1'] }, ['/servers']],
    ['batch', { subject: 'a', batch: { maximumEvents: 5 } }, ['/batch']],
    ['timeout as text', { subject: 'a', timeoutMs: '5' }, ['/timeoutMs']],
  ])('are refused: %s', (_situation, config, pointers) => {
    expect(pointersOf('nats', config)).toEqual(pointers);
  });

  it('take credentials or a token', () => {
    expect(targetKindOf('nats').connections).toEqual(['basic', 'bearer']);
  });

  it('are of no use without the address that the operator sets', () => {
    expect(refusalWithoutBroker('nats', { subject: 'a' })).toContain('NATS_SERVERS');
  });
});

describe('what an error of the NATS driver means', () => {
  function apiError(code: number, status: number): object {
    return { name: 'JetStreamApiError', code, status };
  }

  it.each<[string, object, object]>([
    ['larger than the stream takes', apiError(10_054, 400), { kind: 'dead', code: 'message_too_large' }],
    ['refused by the stream', apiError(10_071, 400), { kind: 'dead', code: 'stream_refused' }],
    ['full stream', apiError(10_077, 503), { kind: 'retry', code: 'broker_unavailable' }],
    ['too many', apiError(10_167, 429), { kind: 'retry', code: 'throttled' }],
    [
      'larger than the server takes',
      { name: 'InvalidArgumentError', message: "'payload' max_payload size exceeded" },
      { kind: 'dead', code: 'message_too_large' },
    ],
    ['wrong login', { name: 'AuthorizationError' }, { kind: 'dead', code: 'access_denied' }],
    ['no right', { name: 'PermissionViolationError' }, { kind: 'dead', code: 'access_denied' }],
    ['no answer', { name: 'TimeoutError' }, { kind: 'retry', code: 'timeout' }],
    ['closed', { name: 'ClosedConnectionError' }, { kind: 'retry', code: 'connection_reset' }],
    ['no JetStream', { name: 'JetStreamNotEnabled' }, { kind: 'retry', code: 'jetstream_not_enabled' }],
    ['refused', { code: 'ECONNREFUSED' }, { kind: 'retry', code: 'connection_refused' }],
    ['anything else', {}, { kind: 'retry', code: 'connection_error', connection: 'lost' }],
  ])('%s', (_situation, error, failure) => {
    expect(failureOfNats(error)).toMatchObject(failure);
    expect(failureOfNats(Object.assign(new Error('outer'), { cause: error }))).toMatchObject(failure);
  });

  it('that nobody listens is told apart, since it may pass', () => {
    const cause = new Error('no responders', { cause: { name: 'NoResponders' } });

    expect(isNoResponders(Object.assign(new Error('outer'), { cause }))).toBe(true);
    expect(isNoResponders({ name: 'TimeoutError' })).toBe(false);
  });
});
