import {
  ACCESS_DENIED,
  connectionLost,
  failureOfSocket,
  later,
  type BrokerFailure,
} from '../../../src/bus/targets/broker-outcome';
import { BrokerSessions, type BrokerClient } from '../../../src/bus/targets/broker-sessions';

const TIMEOUT_MS = 200;

interface TestClient extends BrokerClient {
  number: number;
  isClosed: boolean;
}

function open(): { sessions: BrokerSessions<TestClient>; clients: TestClient[] } {
  const clients: TestClient[] = [];
  const sessions = new BrokerSessions<TestClient>({
    open: () => {
      const client: TestClient = {
        number: clients.length + 1,
        isClosed: false,
        close: () => {
          client.isClosed = true;
          return Promise.reject(new Error('this driver cannot close in order'));
        },
      };
      clients.push(client);
      return client;
    },
    failureOf: failureOfSocket,
    timeoutMs: TIMEOUT_MS,
  });
  return { sessions, clients };
}

function ending(failure: BrokerFailure | null): () => Promise<BrokerFailure | null> {
  return () => Promise.resolve(failure);
}

function hanging(): Promise<null> {
  return new Promise(() => undefined);
}

describe('the connection that the sends of a target share', () => {
  it('is opened by the first attempt and used by the next, also after a refusal', async () => {
    const { sessions, clients } = open();
    expect(clients).toEqual([]);

    await sessions.attempt(ending(null));
    await sessions.attempt(ending(later('throttled', 'slowly')));
    await sessions.attempt(ending(null));

    expect(clients).toHaveLength(1);
    await sessions.close();
  });

  it.each([connectionLost('connection_reset', 'gone'), ACCESS_DENIED])(
    'is closed and replaced once it is in doubt: $code',
    async (failure) => {
      const { sessions, clients } = open();

      expect(await sessions.attempt(ending(failure))).toEqual(failure);
      await sessions.attempt(ending(null));

      expect(clients.map(({ isClosed }) => isClosed)).toEqual([true, false]);
      await sessions.close();
      expect(clients.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    },
  );

  it('is replaced at once and closed only when the others that use it have ended', async () => {
    const { sessions, clients } = open();
    let finish: (failure: null) => void = () => undefined;
    const slow = sessions.attempt(() => new Promise<null>((resolve) => (finish = resolve)));

    await sessions.attempt(ending(connectionLost('connection_reset', 'gone')));
    const used: number[] = [];
    await sessions.attempt((client) => {
      used.push(client.number);
      return Promise.resolve(null);
    });

    expect(used).toEqual([2]);
    expect(clients[0]?.isClosed).toBe(false);
    finish(null);
    expect(await slow).toBeNull();
    expect(clients[0]?.isClosed).toBe(true);
    await sessions.close();
  });

  it('is given up when an attempt has used up its time', async () => {
    const { sessions, clients } = open();

    expect(await sessions.attempt(hanging)).toMatchObject({ kind: 'retry', code: 'timeout' });
    expect(clients[0]?.isClosed).toBe(true);
    await sessions.close();
  });

  it("turns the driver's errors into failures, also those that it throws at once", async () => {
    const { sessions } = open();
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });

    expect(await sessions.attempt(() => Promise.reject(refused))).toMatchObject({
      code: 'connection_refused',
    });
    const thrown = await sessions.attempt(() => {
      throw refused;
    });
    expect(thrown).toMatchObject({ code: 'connection_refused' });
    await sessions.close();
  });

  it('waits with its end for what is under way, takes nothing more, and ends once', async () => {
    const { sessions, clients } = open();
    const underWay = sessions.attempt(hanging);

    await Promise.all([sessions.close(), sessions.close()]);

    expect(await underWay).toMatchObject({ code: 'timeout' });
    expect(clients.map(({ isClosed }) => isClosed)).toEqual([true]);
    expect(await sessions.attempt(ending(null))).toMatchObject({ kind: 'retry', code: 'target_closed' });
  });
});
