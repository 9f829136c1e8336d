import { z } from 'zod';
import type { CartRequest } from '../gateways/cart';
import { CartClearings } from '../gateways/cart-clearings';
import { runFakeCommand, type FakeCommand } from './fake-command';
import {
  jsonAnswer,
  parseJson,
  startFakeServer,
  type FakeServer,
  type FakeServerOptions,
} from './fake-server';
import { failure, ParticipantFake, type ParticipantOutcome, type ParticipantRules } from './participant-fake';

/** Default port 4015. `node dist/dev/fake-cart.js --port 4015 --log FILE` */
export const FAKE_CART: FakeCommand = { name: 'fake-cart', defaultPort: 4015 };

const id = z.string().min(1).max(255);
const body = z.strictObject({ cartId: id, orderId: id });

/** Starts the fake in this process. What its log says was cleared or given back is still so. */
export function startFakeCart(options: FakeServerOptions): Promise<FakeServer> {
  return startFakeServer(options, (log) => {
    return new ParticipantFake(log, rulesOf(new CartClearings(log.entries())));
  });
}

function rulesOf(clearings: CartClearings): ParticipantRules {
  return {
    operations: ['clear', 'restore'],
    parse(request) {
      const [, name] = /^\/v1\/carts\/(clear|restore)$/.exec(request.path) ?? [];
      if (name === undefined) return failure(404, 'unknown_path');
      if (request.method !== 'POST') return failure(405, 'method_not_allowed');
      const parsed = body.safeParse(parseJson(request.body));
      if (!parsed.success) return failure(422, 'invalid_request', z.prettifyError(parsed.error));
      const asked = parsed.data;
      return {
        name,
        subject: asked,
        run: (refusal) => (name === 'clear' ? clear(clearings, asked, refusal) : restore(clearings, asked)),
      };
    },
    contradict: (answer) => ({ ...answer, cartId: 'another_cart' }),
  };
}

function clear(clearings: CartClearings, asked: CartRequest, refusal: string | null): ParticipantOutcome {
  const { result, fact } = clearings.clear(asked, refusal);
  if (result.kind === 'unknown_cart') return { answer: failure(404, 'cart_not_found'), fact };
  if (result.kind === 'refused') return { answer: failure(409, result.code), fact };
  return { answer: jsonAnswer(200, { ...asked, status: 'cleared' }), fact };
}

function restore(clearings: CartClearings, asked: CartRequest): ParticipantOutcome {
  const { result, fact } = clearings.restore(asked);
  if (result.kind === 'unknown') return { answer: failure(404, 'clearing_not_found'), fact };
  return { answer: jsonAnswer(200, { ...asked, status: 'restored' }), fact };
}

if (require.main === module) void runFakeCommand(FAKE_CART, startFakeCart);
