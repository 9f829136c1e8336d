import { outcomeOfAnswer, outcomeOfFailure } from '../../../src/bus/targets/http-outcome';

function failure(members: object): Error {
  return Object.assign(new Error('text with 10.0.0.1 and very-secret'), members);
}

describe('a failed exchange', () => {
  it.each([
    ['ECONNREFUSED', 'connection_refused'],
    ['ECONNRESET', 'connection_reset'],
    ['EPIPE', 'connection_reset'],
    ['UND_ERR_SOCKET', 'connection_reset'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['ENOTFOUND', 'dns_error'],
    ['EAI_AGAIN', 'dns_error'],
    ['EHOSTUNREACH', 'host_unreachable'],
    ['CERT_HAS_EXPIRED', 'tls_error'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_error'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_error'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_error'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls_error'],
    ['HPE_INVALID_CONSTANT', 'invalid_answer'],
    ['UND_ERR_HEADERS_OVERFLOW', 'answer_headers_too_large'],
    ['UND_ERR_CLOSED', 'target_closed'],
    ['EMFILE', 'connection_error'],
  ])('with the code %s is tried again as %s, without the text of the error', (code, expected) => {
    const outcome = outcomeOfFailure(failure({ code }), 12);

    expect(outcome).toMatchObject({ kind: 'retry', status: null, latencyMs: 12, code: expected });
    expect(JSON.stringify(outcome)).not.toMatch(/10\.0\.0\.1|very-secret/);
  });

  it('is known by its cause or its name when it has no code', () => {
    expect(outcomeOfFailure(failure({ cause: failure({ code: 'ECONNREFUSED' }) }), 1)).toMatchObject({
      code: 'connection_refused',
    });
    expect(outcomeOfFailure(failure({ name: 'HTTPParserError' }), 1)).toMatchObject({
      code: 'invalid_answer',
    });
  });

  it.each<unknown>([
    new TypeError('x'),
    new RangeError('x'),
    failure({ code: 'UND_ERR_INVALID_ARG', name: 'InvalidArgumentError' }),
    failure({ code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' }),
    'text',
    undefined,
  ])('of our own making is a bug, not an outcome: %p', (error) => {
    expect(outcomeOfFailure(error, 1)).toBeNull();
  });
});

it('a status beyond 599 counts as a server error', () => {
  expect(outcomeOfAnswer({ status: 999, retryAfter: undefined, latencyMs: 1, now: 0 })).toMatchObject({
    kind: 'retry',
    code: 'http_999',
  });
});
