import { randomBytes } from 'node:crypto';
import {
  deleteConnection,
  openConnection,
  putConnection,
  readConnection,
} from '../../src/database/connections';
import { createSecretBox } from '../../src/database/secrets';
import { putTarget } from '../../src/database/targets';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const box = createSecretBox(randomBytes(32));
const secret = { username: 'shop', password: 'hunter2-hunter2' };

describe('a connection', () => {
  it('is encrypted at rest, shown without its secret, and opened in memory', async () => {
    await putConnection(database.pool, box, { name: 'c', kind: 'basic', secret, actor: 'test' });

    const { rows } = await database.pool.query('select * from aftercommit.connections');
    const stored = JSON.stringify(
      rows.map((row: { ciphertext: Buffer }) => ({ ...row, text: row.ciphertext.toString('latin1') })),
    );
    expect(stored).not.toContain('hunter2');
    expect(JSON.stringify(await readConnection(database.pool, 'c'))).not.toContain('hunter2');
    expect(await openConnection(database.pool, box, 'c')).toEqual({ kind: 'basic', secret });
    const audit = await database.pool.query('select detail from aftercommit.audit');
    expect(JSON.stringify(audit.rows)).not.toContain('hunter2');
  });

  it('does not open with another key, nor when its row was swapped with another', () => {
    const sealed = box.seal('c', secret);

    expect(() => createSecretBox(randomBytes(32)).open('c', sealed)).toThrow(/another key/);
    expect(() => box.open('d', sealed)).toThrow(/damaged/);
  });

  it('stays while a target uses it', async () => {
    await putConnection(database.pool, box, { name: 'used', kind: 'basic', secret, actor: 'test' });
    const target = {
      name: 't',
      kind: 'http',
      config: {},
      connection: 'used',
      signature: null,
      retry: {},
      ratePerSecond: null,
    };
    await putTarget(database.pool, { ...target, actor: 'test' }, { connection: ['basic'], signature: [] });

    await expect(deleteConnection(database.pool, 'used', 'test')).rejects.toMatchObject({ code: 'in_use' });
  });
});
