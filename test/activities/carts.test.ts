import { createCartActivities, type CartActivities } from '../../src/activities/carts';
import { readCart } from '../../src/database/carts';
import { absentCart } from '../../src/gateways/absent';
import type { Cart } from '../../src/gateways/cart';
import { createSimulatedCart } from '../../src/gateways/simulated-cart';
import { placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { patiently, run } from './patience';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const activities = (cart: Cart): CartActivities => createCartActivities({ pool: database.pool, cart });
const confirmed = (name: string, cartId = 'cart_1'): Promise<string> =>
  placeOne(database.pool, name, 'none', { cartId });
const cartOf = async (orderId: string) => (await readCart(database.pool, orderId))!;

it('clears the cart once, though answers are lost', async () => {
  const cart = createSimulatedCart();
  const orderId = await confirmed('lost');
  cart.faults.plan('lost_after', 'clear');
  cart.faults.plan('lost_before', 'clear');

  await patiently(() => activities(cart).clearCart({ orderId }));
  await run(() => activities(absentCart()).clearCart({ orderId }));

  expect(await cartOf(orderId)).toMatchObject({ state: 'CLEARED' });
  expect(cart.facts()).toMatchObject([{ type: 'cleared', cartId: 'cart_1', orderId }]);
});

it('has nothing to clear of a cart that is gone', async () => {
  const orderId = await confirmed('gone', 'unknown_1');

  await run(() => activities(createSimulatedCart()).clearCart({ orderId }));

  expect(await cartOf(orderId)).toMatchObject({ state: 'REFUSED', errorCode: 'unknown_cart' });
});

it('leaves an answer that contradicts the request to an operator', async () => {
  const cart = createSimulatedCart();
  const orderId = await confirmed('mismatch');
  cart.faults.plan('mismatch', 'clear');

  await expect(run(() => activities(cart).clearCart({ orderId }))).rejects.toMatchObject({
    retryable: false,
  });

  expect(await cartOf(orderId)).toMatchObject({ state: 'INTENDED' });
});

describe('giving a cart back', () => {
  it('asks nobody when nothing was ever sent, and nothing can be sent any more', async () => {
    const orderId = await confirmed('never sent');

    await run(() => activities(absentCart()).restoreCart({ orderId }));
    await run(() => activities(absentCart()).clearCart({ orderId }));

    expect(await cartOf(orderId)).toMatchObject({ state: 'RESTORED' });
  });

  it('restores once what was cleared', async () => {
    const cart = createSimulatedCart();
    const orderId = await confirmed('restored');
    await run(() => activities(cart).clearCart({ orderId }));
    cart.faults.plan('lost_after', 'restore');

    await patiently(() => activities(cart).restoreCart({ orderId }));
    await run(() => activities(absentCart()).restoreCart({ orderId }));

    expect(await cartOf(orderId)).toMatchObject({ state: 'RESTORED' });
    expect(cart.facts().map(({ type }) => type)).toEqual(['cleared', 'restored']);
  });

  it('leaves a tombstone when the clearing never arrived', async () => {
    const cart = createSimulatedCart();
    const orderId = await confirmed('null compensation');
    cart.faults.plan('lost_before', 'clear');
    await run(() => activities(cart).clearCart({ orderId })).catch(() => undefined);

    await run(() => activities(cart).restoreCart({ orderId }));

    expect(await cart.clear({ cartId: 'cart_1', orderId })).toEqual({ kind: 'refused', code: 'restored' });
  });

  it('wins over a clearing that hangs and arrives after it', async () => {
    const cart = createSimulatedCart();
    const orderId = await confirmed('hanging');
    cart.faults.plan('late', 'clear');
    await run(() => activities(cart).clearCart({ orderId })).catch(() => undefined);

    await run(() => activities(cart).restoreCart({ orderId }));

    expect(cart.faults.fired.get('late')).toBe(1);
    expect(cart.facts().map(({ type }) => type)).not.toContain('cleared');
    expect(await cartOf(orderId)).toMatchObject({ state: 'RESTORED' });
  });
});
