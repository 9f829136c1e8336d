import { targetKindOf } from '../../../src/bus/targets';
import { failureOfKafka } from '../../../src/bus/targets/kafka-outcome';
import { pointersOf, refusalWithoutBroker, settingsOf } from './broker-kinds';

describe('the settings of a kafka target', () => {
  it('get their defaults, and are the same when they are checked again', () => {
    const settings = settingsOf('kafka', { topic: 'orders' });

    expect(settings).toEqual({
      topic: 'orders',
      timeoutMs: 5_000,
      saslMechanism: 'scram-sha-512',
      tls: false,
      batch: { maximumEvents: 1 },
    });
    expect(settingsOf('kafka', settings)).toEqual(settings);
  });

  it.each<[string, unknown, string[]]>([
    ['no object', null, ['', '/topic']],
    ['no topic', {}, ['/topic']],
    ['topic with a slash', { topic: 'a/b' }, ['/topic']],
    ['topic that is a folder', { topic: '..' }, ['/topic']],
    ['topic of 250 characters', { topic: 'x'.repeat(250) }, ['/topic']],
    ['address of a broker', { topic: 'a', brokers: ['10.0.0.1:9092'] }, ['/brokers']],
    ['acks', { topic: 'a', acks: 0 }, ['/acks']],
    ['unknown login', { topic: 'a', saslMechanism: 'oauthbearer' }, ['/saslMechanism']],
    ['tls as text', { topic: 'a', tls: 'true' }, ['/tls']],
    ['timeout of 99 ms', { topic: 'a', timeoutMs: 99 }, ['/timeoutMs']],
    ['timeout of 30,001 ms', { topic: 'a', timeoutMs: 30_001 }, ['/timeoutMs']],
    ['batch as number', { topic: 'a', batch: 5 }, ['/batch']],
    ['batch of 0', { topic: 'a', batch: { maximumEvents: 0 } }, ['/batch/maximumEvents']],
    ['batch of 501', { topic: 'a', batch: { maximumEvents: 501 } }, ['/batch/maximumEvents']],
    ['more about a batch', { topic: 'a', batch: { maximumEvents: 5, waitMs: 1 } }, ['/batch/waitMs']],
  ])('are refused: %s', (_situation, config, pointers) => {
    expect(pointersOf('kafka', config)).toEqual(pointers);
  });

  it('take a batch of 500, and credentials', () => {
    const batch = { maximumEvents: 500 };

    expect(settingsOf('kafka', { topic: 'a', batch })).toMatchObject({ batch });
    expect(targetKindOf('kafka').connections).toEqual(['basic']);
  });

  it('are of no use without the address that the operator sets', () => {
    expect(refusalWithoutBroker('kafka', { topic: 'a' })).toContain('KAFKA_BROKERS');
  });
});

describe('what an error of kafkajs means', () => {
  it.each<[string, object, object]>([
    ['unknown topic', { type: 'UNKNOWN_TOPIC_OR_PARTITION' }, { kind: 'dead', code: 'unknown_topic' }],
    ['too large', { type: 'MESSAGE_TOO_LARGE' }, { kind: 'dead', code: 'message_too_large' }],
    ['segment too small', { type: 'RECORD_LIST_TOO_LARGE' }, { kind: 'dead', code: 'message_too_large' }],
    ['refused record', { type: 'INVALID_RECORD' }, { kind: 'dead', code: 'record_refused' }],
    ['no right', { type: 'TOPIC_AUTHORIZATION_FAILED' }, { kind: 'dead', code: 'access_denied' }],
    ['wrong login', { name: 'KafkaJSSASLAuthenticationError' }, { kind: 'dead', code: 'access_denied' }],
    ['quota', { type: 'THROTTLING_QUOTA_EXCEEDED' }, { kind: 'retry', code: 'throttled' }],
    ['too few replicas', { type: 'NOT_ENOUGH_REPLICAS' }, { kind: 'retry', code: 'broker_unavailable' }],
    ['no leader', { type: 'LEADER_NOT_AVAILABLE' }, { kind: 'retry', code: 'broker_unavailable' }],
    ['no answer', { name: 'KafkaJSRequestTimeoutError' }, { kind: 'retry', code: 'timeout' }],
    ['no connection in time', { message: 'Connection timeout' }, { kind: 'retry', code: 'timeout' }],
    ['closed', { name: 'KafkaJSConnectionClosedError' }, { kind: 'retry', code: 'connection_reset' }],
    ['refused', { code: 'ECONNREFUSED' }, { kind: 'retry', code: 'connection_refused' }],
    ['no name', { code: 'ENOTFOUND' }, { kind: 'retry', code: 'dns_error' }],
    ['certificate', { code: 'CERT_HAS_EXPIRED' }, { kind: 'retry', code: 'tls_error' }],
    ['anything else', {}, { kind: 'retry', code: 'connection_error', connection: 'lost' }],
  ])('%s', (_situation, error, failure) => {
    const wrapped = Object.assign(new Error('no more retries'), {
      name: 'KafkaJSNonRetriableError',
      cause: error,
    });

    expect(failureOfKafka(error)).toMatchObject(failure);
    expect(failureOfKafka(wrapped)).toMatchObject(failure);
  });
});
