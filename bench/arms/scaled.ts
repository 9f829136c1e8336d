import type { Arm } from './arm';
import { productArm, startProduct } from './product';
import { stopAll } from './program';

/** The flash lane in several processes, API and worker in each, on one PostgreSQL and one Temporal. */
export function scaledArm(processes: number): Arm {
  return {
    ...productArm(`flash-${processes}`, `the product, flash lane, ${processes} processes`, 'flash'),
    async start(places) {
      const products = [];
      // One after the other: each sets Temporal up before it begins.
      for (let n = 0; n < processes; n += 1)
        products.push(await startProduct(places, { lane: 'flash', layout: 'one' }));
      const [first, ...others] = products;
      const nodes = products.flatMap((product) => product.nodes);
      return {
        url: first!.url,
        others: others.map(({ url }) => url),
        nodes,
        engines: [],
        stop: () => stopAll(nodes),
      };
    },
  };
}
