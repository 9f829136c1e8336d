import { ServiceError } from '@temporalio/client';
import * as errors from '../../src/errors';
import { OutOfStockError } from '../../src/errors';
import { problemOf, toAppError } from '../../src/http/problems';
import { ERROR_CODES } from '../../src/http/schemas';

it('makes a document of RFC 9457', () => {
  const error = new OutOfStockError('There is not enough in stock.', {
    fields: [{ pointer: '/lines/0/sku', message: 'less' }],
    extensions: { orderId: 'x' },
  });

  expect(problemOf(error, 'request-1')).toEqual({
    type: 'urn:aftercommit:problem:out_of_stock',
    title: 'Out of stock',
    status: 409,
    detail: 'There is not enough in stock.',
    code: 'out_of_stock',
    requestId: 'request-1',
    errors: [{ pointer: '/lines/0/sku', message: 'less' }],
    orderId: 'x',
  });
});

it('says nothing of what was not foreseen', () => {
  const problem = problemOf(toAppError(new TypeError('select secret from table')), 'request-1');

  expect(problem).toMatchObject({ status: 500, code: 'internal_error' });
  expect(JSON.stringify(problem)).not.toContain('secret');
});

it.each([
  [
    'a refused connection',
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    'database_unavailable',
  ],
  [
    'a server that shuts down',
    Object.assign(new Error('terminating'), { code: '57P01' }),
    'database_unavailable',
  ],
  ['a lost race', Object.assign(new Error('deadlock'), { code: '40P01' }), 'database_unavailable'],
  ['a call that Temporal did not answer', new ServiceError('14 UNAVAILABLE'), 'temporal_unavailable'],
])('makes 503 of %s', (_what, error, code) => {
  expect(toAppError(error)).toMatchObject({ httpStatus: 503, code });
});

it('knows the code of every error class', () => {
  const codes = Object.values(errors).map((exported) => exported.code);

  expect(ERROR_CODES).toEqual(expect.arrayContaining(codes));
  expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
});
