import { targetKindOf } from '../../../src/bus/targets';
import { failureOfRocketmq } from '../../../src/bus/targets/rocketmq-outcome';
import { pointersOf, refusalWithoutBroker, settingsOf } from './broker-kinds';

describe('the settings of a rocketmq target', () => {
  it('get their defaults, and are the same when they are checked again', () => {
    const settings = settingsOf('rocketmq', { topic: 'orders' });

    expect(settings).toEqual({ topic: 'orders', timeoutMs: 5_000, fifo: false });
    expect(settingsOf('rocketmq', settings)).toEqual(settings);
    expect(settingsOf('rocketmq', { topic: 'a', tag: 'b', fifo: true })).toMatchObject({
      tag: 'b',
      fifo: true,
    });
  });

  it.each<[string, unknown, string[]]>([
    ['no object', 'orders', ['', '/topic']],
    ['no topic', {}, ['/topic']],
    ['topic with a dot', { topic: 'a.b' }, ['/topic']],
    ['topic of 128 characters', { topic: 'x'.repeat(128) }, ['/topic']],
    ['two tags', { topic: 'a', tag: 'b|c' }, ['/tag']],
    ['empty tag', { topic: 'a', tag: '' }, ['/tag']],
    ['fifo as number', { topic: 'a', fifo: 1 }, ['/fifo']],
    ['address of a broker', { topic: 'a', endpoints: '10.0.0.1:8081' }, ['/endpoints']],
    ['timeout of 0 ms', { topic: 'a', timeoutMs: 0 }, ['/timeoutMs']],
  ])('are refused: %s', (_situation, config, pointers) => {
    expect(pointersOf('rocketmq', config)).toEqual(pointers);
  });

  it('take an access key', () => {
    expect(targetKindOf('rocketmq').connections).toEqual(['basic']);
  });

  it('are of no use without the address that the operator sets', () => {
    expect(refusalWithoutBroker('rocketmq', { topic: 'a' })).toContain('ROCKETMQ_ENDPOINTS');
  });
});

describe('what an error of the RocketMQ driver means', () => {
  it.each<[string, object, object]>([
    ['bad request', { code: 40_000 }, { kind: 'dead', code: 'message_refused' }],
    ['refused property', { code: 40_008 }, { kind: 'dead', code: 'message_refused' }],
    ['wrong login', { code: 40_100 }, { kind: 'dead', code: 'access_denied' }],
    ['no right', { code: 40_300 }, { kind: 'dead', code: 'access_denied' }],
    ['unknown topic', { code: 40_402 }, { kind: 'retry', code: 'unknown_topic' }],
    ['too large', { code: 41_301 }, { kind: 'dead', code: 'message_too_large' }],
    ['too many', { code: 42_900 }, { kind: 'retry', code: 'throttled' }],
    ['internal error', { code: 50_001 }, { kind: 'retry', code: 'broker_unavailable' }],
    [
      'too large for the broker behind the proxy',
      { code: 50_001, message: 'the message is illegal, maybe msg body or properties length not matched.' },
      { kind: 'dead', code: 'message_too_large' },
    ],
    ['disk too slow', { code: 50_401 }, { kind: 'retry', code: 'broker_unavailable' }],
    ['gRPC: deadline', { code: 4 }, { kind: 'retry', code: 'timeout', connection: 'lost' }],
    ['gRPC: too much', { code: 8 }, { kind: 'retry', code: 'throttled' }],
    ['gRPC: internal', { code: 13 }, { kind: 'retry', code: 'broker_unavailable', connection: 'lost' }],
    ['gRPC: no connection', { code: 14 }, { kind: 'retry', code: 'connection_reset', connection: 'lost' }],
    [
      'too large for the driver',
      { name: 'TypeError', message: 'Message body size exceeds the threshold, max size=5 bytes' },
      { kind: 'dead', code: 'message_too_large' },
    ],
    [
      'topic of another type',
      { name: 'TypeError', message: 'Current message type not match with topic accept message types' },
      { kind: 'dead', code: 'message_type_refused' },
    ],
    ['refused', { code: 'ECONNREFUSED' }, { kind: 'retry', code: 'connection_refused' }],
    ['anything else', {}, { kind: 'retry', code: 'connection_error', connection: 'lost' }],
  ])('%s', (_situation, error, failure) => {
    expect(failureOfRocketmq(error)).toMatchObject(failure);
  });
});
