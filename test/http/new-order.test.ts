import { AppError } from '../../src/errors';
import { NewOrder } from '../../src/http/new-order';
import { checkBody } from '../../src/http/validation';
import { newOrder } from './test-app';

function refusal(body: unknown): { status: number; pointers: string[] } {
  try {
    checkBody(NewOrder, body);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { status: error.httpStatus, pointers: error.fields.map((field) => field.pointer) };
  }
  throw new Error('the body was accepted');
}

const line = (changes: Record<string, unknown>): Record<string, unknown> =>
  newOrder({ lines: [{ sku: 'SKU-1', quantity: 1, unitPriceMinor: 1, ...changes }] });
const customer = (changes: Record<string, unknown>): Record<string, unknown> =>
  newOrder({ customer: { id: 'cus_1', phone: '+15005550006', ...changes } });
const payment = (value: unknown): Record<string, unknown> => newOrder({ payment: value });

const ADDRESS = { name: 'A Person', line1: '1 Street', postalCode: '10115', city: 'Berlin', country: 'DE' };
const shipping = (changes: Record<string, unknown>): Record<string, unknown> =>
  newOrder({ shipping: { ...ADDRESS, ...changes } });

it.each([
  ['waits for as long as the default says', payment({ mode: 'wait' })],
  ['waits for a second', payment({ mode: 'wait', deadlineSeconds: 1 })],
  ['waits for a week', payment({ mode: 'wait', deadlineSeconds: 604_800 })],
  ['ships', shipping({})],
  ['ships to a second line', shipping({ line2: 'c/o Somebody' })],
  ['ships to other scripts', shipping({ name: '山田 太郎', line1: 'ул. Ленина, 1', city: 'São Paulo' })],
  ['ships to a name of 100 characters outside of the first plane', shipping({ name: '𝒜'.repeat(100) })],
  ['comes from a cart', newOrder({ cartId: 'cart_1' })],
])('accepts an order that %s', (_what, body) => {
  expect(checkBody(NewOrder, body)).toMatchObject(body);
});

it('fills in all channels', () => {
  expect(checkBody(NewOrder, customer({})).customer.channels).toEqual(['whatsapp', 'sms', 'voice']);
});

it.each(['+15005550001', '+15005550006', '+15005550009', '+14155550100', '+447700900123', '+491711234567'])(
  'accepts the phone number %s',
  (phone) => {
    expect(checkBody(NewOrder, customer({ phone })).customer.phone).toBe(phone);
  },
);

it.each(['cus_1', 'клиент-7', '顧客', 'café', '😀', 'a/b?c=d'])('accepts the customer id %s', (id) => {
  expect(checkBody(NewOrder, customer({ id })).customer.id).toBe(id);
});

it.each([
  ['a customer that is a text', newOrder({ customer: 'cus_1' }), ['/customer']],
  ['a missing currency', newOrder({ currency: undefined }), ['/currency']],
  ['a quantity that is a text', line({ quantity: '1' }), ['/lines/0/quantity']],
  ['a quantity that is null', line({ quantity: null }), ['/lines/0/quantity']],
  ['lines that are an object', newOrder({ lines: {} }), ['/lines']],
  ['a mode that is a number', payment({ mode: 1 }), ['/payment/mode']],
  ['a channel that is a number', customer({ channels: [1] }), ['/customer/channels/0']],
  ['an unknown member', newOrder({ status: 'CONFIRMED' }), ['/status']],
  ['a price of the whole order', newOrder({ price: 1 }), ['/price']],
  ['an inherited name as a member', newOrder({ toString: 1 }), ['/toString']],
  ['an unknown member of a line, with a slash', line({ 'a/b': 1 }), ['/lines/0/a~1b']],
  ['a currency of a line', line({ currency: 'USD' }), ['/lines/0/currency']],
  [
    'a deadline that is a text',
    payment({ mode: 'wait', deadlineSeconds: '60' }),
    ['/payment/deadlineSeconds'],
  ],
  ['an address that is a text', newOrder({ shipping: '1 Street' }), ['/shipping']],
  ['an address without a city', shipping({ city: undefined }), ['/shipping/city']],
  ['a second line that is null', shipping({ line2: null }), ['/shipping/line2']],
  ['an unknown member of an address', shipping({ phone: '+15005550006' }), ['/shipping/phone']],
  ['a cart id that is a number', newOrder({ cartId: 1 }), ['/cartId']],
])('calls %s malformed', (_what, body, pointers) => {
  expect(refusal(body)).toEqual({ status: 400, pointers });
});

it('calls a body malformed when it is also invalid, and names both', () => {
  expect(refusal({ ...line({ quantity: 0 }), extra: 1 })).toEqual({
    status: 400,
    pointers: ['/lines/0/quantity', '/extra'],
  });
});

it.each([
  ['no lines', newOrder({ lines: [] }), '/lines'],
  [
    '1,001 lines',
    newOrder({
      lines: Array.from({ length: 1_001 }, (_, i) => ({ sku: `S${i}`, quantity: 1, unitPriceMinor: 1 })),
    }),
    '/lines',
  ],
  [
    'the same SKU twice',
    newOrder({ lines: [1, 2].map((quantity) => ({ sku: 'A', quantity, unitPriceMinor: 1 })) }),
    '/lines/1/sku',
  ],
  ['an empty SKU', line({ sku: '' }), '/lines/0/sku'],
  ['a SKU of 10 KB', line({ sku: 'S'.repeat(10_240) }), '/lines/0/sku'],
  ['a SKU with a space', line({ sku: 'S 1' }), '/lines/0/sku'],
  ['quantity 0', line({ quantity: 0 }), '/lines/0/quantity'],
  ['quantity 1.5', line({ quantity: 1.5 }), '/lines/0/quantity'],
  ['quantity -1', line({ quantity: -1 }), '/lines/0/quantity'],
  ['quantity above a million', line({ quantity: 1_000_001 }), '/lines/0/quantity'],
  ['price 19.99', line({ unitPriceMinor: 19.99 }), '/lines/0/unitPriceMinor'],
  ['a negative price', line({ unitPriceMinor: -1 }), '/lines/0/unitPriceMinor'],
  ['a price above int64', line({ unitPriceMinor: 2 ** 64 }), '/lines/0/unitPriceMinor'],
  ['a total that is not exact', line({ quantity: 1_000_000, unitPriceMinor: 1e12 }), '/lines'],
  ['currency usd', newOrder({ currency: 'usd' }), '/currency'],
  ['currency XXX', newOrder({ currency: 'XXX' }), '/currency'],
  ['currency US$', newOrder({ currency: 'US$' }), '/currency'],
  ['phone 123', customer({ phone: '123' }), '/customer/phone'],
  ['phone +00', customer({ phone: '+0015005550006' }), '/customer/phone'],
  ['phone tel:', customer({ phone: 'tel:+15005550006' }), '/customer/phone'],
  ['phone whatsapp:', customer({ phone: 'whatsapp:+15005550006' }), '/customer/phone'],
  ['a premium-rate phone', customer({ phone: '+19005550100' }), '/customer/phone'],
  ['a phone of no country', customer({ phone: '+999123456789' }), '/customer/phone'],
  ['a customer id with a space', customer({ id: 'cus 1' }), '/customer/id'],
  ['a customer id with a direction override', customer({ id: 'cus\u202e1' }), '/customer/id'],
  ['a customer id with a zero-width space', customer({ id: 'cus\u200b1' }), '/customer/id'],
  ['an empty customer id', customer({ id: '' }), '/customer/id'],
  ['no channel', customer({ channels: [] }), '/customer/channels'],
  ['an unknown channel', customer({ channels: ['fax'] }), '/customer/channels/0'],
  ['a channel twice', customer({ channels: ['sms', 'sms'] }), '/customer/channels'],
  ['an unknown mode', payment({ mode: 'later' }), '/payment/mode'],
  ['wait with a method', payment({ mode: 'wait', method: 'tok_visa' }), '/payment/method'],
  ['a deadline of no time', payment({ mode: 'wait', deadlineSeconds: 0 }), '/payment/deadlineSeconds'],
  [
    'a deadline of more than a week',
    payment({ mode: 'wait', deadlineSeconds: 604_801 }),
    '/payment/deadlineSeconds',
  ],
  ['part of a second', payment({ mode: 'wait', deadlineSeconds: 1.5 }), '/payment/deadlineSeconds'],
  [
    'a deadline for a charge',
    payment({ mode: 'charge', method: 'tok_visa', deadlineSeconds: 60 }),
    '/payment/deadlineSeconds',
  ],
  ['an empty name', shipping({ name: '' }), '/shipping/name'],
  ['a name of spaces', shipping({ name: '   ' }), '/shipping/name'],
  ['a name of 101 characters', shipping({ name: 'N'.repeat(101) }), '/shipping/name'],
  ['a name with a NUL', shipping({ name: 'A\u0000' }), '/shipping/name'],
  ['a name with a line break', shipping({ name: 'A\nB' }), '/shipping/name'],
  ['a street with a direction override', shipping({ line1: '1 \u202eStreet' }), '/shipping/line1'],
  ['a city with a space around it', shipping({ city: ' Berlin' }), '/shipping/city'],
  ['a postal code of 21 characters', shipping({ postalCode: '1'.repeat(21) }), '/shipping/postalCode'],
  ['a country in small letters', shipping({ country: 'de' }), '/shipping/country'],
  ['a country of three letters', shipping({ country: 'DEU' }), '/shipping/country'],
  ['an empty cart id', newOrder({ cartId: '' }), '/cartId'],
  ['a cart id with a space', newOrder({ cartId: 'cart 1' }), '/cartId'],
  ['a cart id of 129 characters', newOrder({ cartId: 'c'.repeat(129) }), '/cartId'],
  ['charge without a method', payment({ mode: 'charge' }), '/payment/method'],
  ['none with a method', payment({ mode: 'none', method: 'tok_visa' }), '/payment/method'],
  ['a deadline without wait', payment({ mode: 'none', deadlineSeconds: 60 }), '/payment/deadlineSeconds'],
  ['a method with a space', payment({ mode: 'charge', method: 'tok visa' }), '/payment/method'],
])('calls %s invalid', (_what, body, pointer) => {
  const { status, pointers } = refusal(body);

  expect(status).toBe(422);
  expect(pointers[0]).toBe(pointer);
});

it('names at most twenty mistakes', () => {
  const lines = Array.from({ length: 60 }, (_, i) => ({ sku: `S${i}`, quantity: 0, unitPriceMinor: 1 }));

  expect(refusal(newOrder({ lines })).pointers).toHaveLength(20);
});
