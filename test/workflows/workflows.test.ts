import { createRig, type Rig } from './rig';
import { scenarios } from './scenarios';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig();
}, 120_000);
afterAll(() => rig.close());

describe('every path of every workflow', () => {
  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const { result, asked } = await rig.run(scenario);

    if (scenario.result === undefined) expect(result).toBeUndefined();
    else expect(result).toMatchObject(scenario.result as object);
    expect(asked).toEqual(scenario.asks);
  });
});
