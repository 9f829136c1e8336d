import { targetKindOf } from '../../../src/bus/targets';
import { failureOfAmqp } from '../../../src/bus/targets/amqp-outcome';
import { pointersOf, refusalWithoutBroker, settingsOf } from './broker-kinds';

describe('the settings of an amqp target', () => {
  it('get their defaults, and are the same when they are checked again', () => {
    const settings = settingsOf('amqp', { routingKey: 'orders' });

    expect(settings).toEqual({ exchange: '', routingKey: 'orders', timeoutMs: 5_000 });
    expect(settingsOf('amqp', settings)).toEqual(settings);
  });

  it.each<[string, unknown, string[]]>([
    ['no object', 1, ['', '/routingKey']],
    ['no routing key', { exchange: 'orders' }, ['/routingKey']],
    ['empty routing key', { routingKey: '' }, ['/routingKey']],
    ['routing key of 256 characters', { routingKey: 'x'.repeat(256) }, ['/routingKey']],
    ['routing key with a line break', { routingKey: 'a\n' }, ['/routingKey']],
    ['exchange as number', { exchange: 1, routingKey: 'a' }, ['/exchange']],
    ['events that may be lost', { routingKey: 'a', mandatory: false }, ['/mandatory']],
    ['address of a broker', { routingKey: 'a', url: 'amqp://10.0.0.1' }, ['/url']],
    ['timeout of 99 ms', { routingKey: 'a', timeoutMs: 99 }, ['/timeoutMs']],
  ])('are refused: %s', (_situation, config, pointers) => {
    expect(pointersOf('amqp', config)).toEqual(pointers);
  });

  it('take credentials', () => {
    expect(targetKindOf('amqp').connections).toEqual(['basic']);
  });

  it('are of no use without the address that the operator sets', () => {
    expect(refusalWithoutBroker('amqp', { routingKey: 'a' })).toContain('AMQP_URL');
  });
});

describe('what an error of the AMQP driver means', () => {
  it.each<[string, object, object]>([
    ['nack', { code: 'NACK' }, { kind: 'retry', code: 'nacked', connection: 'kept' }],
    ['unknown exchange', { code: 'NOT_FOUND' }, { kind: 'dead', code: 'unknown_exchange' }],
    ['no right', { code: 'ACCESS_REFUSED' }, { kind: 'dead', code: 'access_denied' }],
    ['unknown virtual host', { code: 'NOT_ALLOWED' }, { kind: 'dead', code: 'access_denied' }],
    ['too large', { code: 'PRECONDITION_FAILED' }, { kind: 'dead', code: 'message_too_large' }],
    ["another event's fault", { code: 'CH_CLOSE' }, { kind: 'retry', code: 'channel_closed' }],
    ['closed', { code: 'CONN_CLOSE' }, { kind: 'retry', code: 'connection_reset', connection: 'lost' }],
    ['broker ends', { code: 'CONNECTION_FORCED' }, { kind: 'retry', code: 'broker_unavailable' }],
    ['no connection in time', { code: 'CONNECTION_TIMEOUT' }, { kind: 'retry', code: 'timeout' }],
    ['refused', { code: 'ECONNREFUSED' }, { kind: 'retry', code: 'connection_refused' }],
    ['anything else', {}, { kind: 'retry', code: 'connection_error', connection: 'lost' }],
  ])('%s', (_situation, error, failure) => {
    expect(failureOfAmqp(error)).toMatchObject(failure);
  });
});
