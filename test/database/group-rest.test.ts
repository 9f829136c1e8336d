import { countGroup, ordersInTrouble } from '../../src/database/group-rest';
import { takeOver } from '../../src/database/groups';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { claimOf, delivered, later, logTargets, record } from './bus-fixtures';
import { askedOf, commitUnder, openedGroup, stocked } from './group-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe('what is left of a group', () => {
  const route = (target: string) => ({
    rules: { version: 0, route: () => [{ ruleName: 'rule', targetName: target, transformer: null }] },
  });
  async function deliveredTo(target: string, names: readonly string[]): Promise<[string, string[]]> {
    const { pool } = database;
    await logTargets(pool, [target]);
    const { rows } = await pool.query<{ version: number }>(
      'select rules_version::int as version from aftercommit.installation',
    );
    const groupId = await openedGroup(pool);
    const sku = await stocked(pool, `SKU-${target}`);
    const orders = names.map((name) => askedOf(`${target} ${name}`, sku));
    await commitUnder(pool, groupId, orders, {
      rules: { ...route(target).rules, version: rows[0]!.version },
    });
    await pool.query(`update aftercommit.notification_attempts set state = 'REJECTED'`);
    return [groupId, orders.map(({ orderId }) => orderId)];
  }
  const count = (groupId: string) => countGroup(database.pool, groupId, 1_000);

  it('is nothing when everything was delivered', async () => {
    const { pool } = database;
    const [groupId, [orderId]] = await deliveredTo('fine', ['one']);
    expect((await count(groupId)).nextInMs).not.toBeNull();
    const [delivery] = await claimOf(pool, orderId!);
    await record(pool, delivery!, delivered);

    expect(await count(groupId)).toEqual({
      orders: 1,
      confirmed: 1,
      waitingForPayment: 0,
      undone: 0,
      takenOver: 0,
      deliveriesOpen: 0,
      messagesOpen: 0,
      hasRest: false,
      nextInMs: null,
    });
  });

  it('is due when its next delivery is', async () => {
    const { pool } = database;
    const [groupId, [orderId]] = await deliveredTo('slow', ['one']);
    const [delivery] = await claimOf(pool, orderId!);
    await record(pool, delivery!, later);

    const { nextInMs, deliveriesOpen } = await count(groupId);

    expect(deliveriesOpen).toBe(1);
    expect(nextInMs).toBeGreaterThan(3_500_000);
  });

  it('is not due while its rule or target is paused: whoever resumes it wakes who goes on', async () => {
    const { pool } = database;
    const [groupId] = await deliveredTo('paused', ['one']);
    await pool.query(`update aftercommit.targets set state = 'PAUSED' where name = 'paused'`);

    expect(await count(groupId)).toMatchObject({ deliveriesOpen: 1, nextInMs: null });
  });

  it('is due when what an event waits for is, not when the event itself would be', async () => {
    const { pool } = database;
    const [groupId, [orderId]] = await deliveredTo('in-order', ['one']);
    const [delivery] = await claimOf(pool, orderId!);
    await record(pool, delivery!, later);
    await pool.query(
      `with second as (
         insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, routed_at, workflow_id)
         select gen_random_uuid(), aggregate_type, aggregate_id, 2, source, 'order.refunded', '{}', now(), now(), workflow_id
         from aftercommit.outbox where aggregate_id = $1 returning id)
       insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name)
       select gen_random_uuid(), id, $1, 2, 'rule', 'in-order' from second`,
      [orderId],
    );

    const { nextInMs, deliveriesOpen } = await count(groupId);

    expect(deliveriesOpen).toBe(2);
    expect(nextInMs).toBeGreaterThan(3_500_000);
  });

  it('is nothing of an order with a workflow of its own', async () => {
    const [groupId, orderIds] = await deliveredTo('taken-over', ['one']);

    await takeOver(database.pool, orderIds);

    expect(await count(groupId)).toMatchObject({ takenOver: 1, deliveriesOpen: 0, nextInMs: null });
  });

  it('has an order in trouble when its event keeps failing where others get through', async () => {
    const { pool } = database;
    const [groupId, [poison, fine]] = await deliveredTo('choosy', ['poison', 'fine']);
    const fail = async (): Promise<void> => {
      await pool.query('update aftercommit.deliveries set next_attempt_at = now() where aggregate_id = $1', [
        poison,
      ]);
      const [delivery] = await claimOf(pool, poison!);
      await record(pool, delivery!, later);
    };
    const inTrouble = () => ordersInTrouble(pool, groupId, 10);
    for (let attempt = 0; attempt < 3; attempt += 1) await fail();
    // Nobody got through: it is the target that is away.
    expect(await inTrouble()).toEqual([]);
    const [delivery] = await claimOf(pool, fine!);
    await record(pool, delivery!, delivered);

    expect(await inTrouble()).toEqual([poison]);
  });
});
