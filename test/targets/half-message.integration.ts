import { randomUUID } from 'node:crypto';
import { Producer, type MessageView } from 'rocketmq-client-nodejs';
import { waitFor } from '../support/wait';
import { startRocketmq, type RocketmqServer } from './servers/rocketmq';
import { startTopicReader, type TopicReader } from './servers/rocketmq-reader';
import { describeWith } from './servers/server';

/**
 * RocketMQ's half messages as the source documents use them, on a real broker, and the flaw in their back-check. This
 * product does not use them: its event is a row in the same transaction as its order.
 */

const TOPIC = 'half-messages';
/** The driver's own numbers, which it does not export. Source: apache/rocketmq-apis, `TransactionResolution`. */
const COMMIT = 1;
const ROLLBACK = 2;
/**
 * How soon the broker asks, how often, and how long it collects answers before it writes them down. Its defaults are 6 s,
 * 30 s and 3 s; it must write them down before it asks again. Milliseconds.
 */
const CHECK_SETTINGS = [
  'transactionTimeOut=1000',
  'transactionCheckInterval=1000',
  'transactionOpBatchInterval=100',
];

type Transaction = ReturnType<Producer['beginTransaction']>;
type BackCheck = (orderId: string) => Promise<typeof COMMIT | typeof ROLLBACK>;

const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

describeWith('rocketmq', 'a half message', () => {
  let server: RocketmqServer;
  let reader: TopicReader;
  const producers = new Set<Producer>();
  beforeAll(async () => {
    server = await startRocketmq({ env: process.env, brokerSettings: CHECK_SETTINGS });
    await server.createTopic(TOPIC, 'TRANSACTION');
    reader = await startTopicReader(server, TOPIC);
  });
  afterEach(async () => {
    for (const producer of producers) await producer.shutdown();
    producers.clear();
  });
  afterAll(async () => {
    await reader?.stop();
    await server?.stop();
  });

  async function startProducer(backCheck: BackCheck): Promise<Producer> {
    const producer = new Producer({
      endpoints: server.address,
      namespace: '',
      topics: [TOPIC],
      maxAttempts: 1,
      logger: SILENT,
      checker: { check: (message: MessageView) => backCheck(message.keys[0] ?? '') },
    });
    await producer.startup();
    producers.add(producer);
    return producer;
  }

  async function sendHalf(producer: Producer, orderId: string): Promise<Transaction> {
    const transaction = producer.beginTransaction();
    await producer.send(
      { topic: TOPIC, body: Buffer.from(`placed ${orderId}`), keys: [orderId] },
      transaction,
    );
    return transaction;
  }

  function isVisible(orderId: string): boolean {
    return reader.messages.some(({ keys }) => keys.includes(orderId));
  }

  /** What was committed later is there: so the reader has passed the place where the other would be. */
  async function readerHasCaughtUp(producer: Producer): Promise<void> {
    const marker = `marker-${randomUUID()}`;
    await (await sendHalf(producer, marker)).commit();
    await waitFor('the marker arrives', () => isVisible(marker));
  }

  it('is invisible until it is committed', async () => {
    const producer = await startProducer(never);
    const transaction = await sendHalf(producer, 'ord_1');
    await readerHasCaughtUp(producer);
    expect(isVisible('ord_1')).toBe(false);

    await transaction.commit();

    await waitFor('the event arrives', () => isVisible('ord_1'));
  });

  it('that is rolled back is never seen', async () => {
    const producer = await startProducer(never);
    const transaction = await sendHalf(producer, 'ord_2');

    await transaction.rollback();

    await readerHasCaughtUp(producer);
    expect(isVisible('ord_2')).toBe(false);
  });

  it('whose producer is gone is asked about at another producer of the topic', async () => {
    const first = await startProducer(never);
    await sendHalf(first, 'ord_3');
    await first.shutdown();
    producers.delete(first);

    const asked: string[] = [];
    await startProducer((orderId) => {
      asked.push(orderId);
      return Promise.resolve(orderId === 'ord_3' ? COMMIT : ROLLBACK);
    });

    await waitFor('the event arrives', () => isVisible('ord_3'));
    expect(asked).toContain('ord_3');
  });

  /** The back-check of the source documents: no row means that the order was rolled back. */
  function naiveBackCheck(orders: ReadonlySet<string>, asked: string[]): BackCheck {
    return (orderId) => {
      asked.push(orderId);
      if (orderId.startsWith('open-')) return never();
      return Promise.resolve(orders.has(orderId) ? COMMIT : ROLLBACK);
    };
  }

  /** The broker goes through all that is open, each time; so what it has not asked for twice is closed for it. */
  async function brokerHasAskedTwice(producer: Producer, asked: readonly string[]): Promise<void> {
    const open = `open-${randomUUID()}`;
    await sendHalf(producer, open);
    await waitFor(
      'the broker has asked twice',
      () => asked.filter((orderId) => orderId === open).length >= 2,
    );
  }

  it('is lost with a back-check that reads "no row yet" as "rolled back", although its order is committed', async () => {
    const orders = new Set<string>();
    const asked: string[] = [];
    const producer = await startProducer(naiveBackCheck(orders, asked));
    await sendHalf(producer, 'ord_4');

    // The broker asks while the local transaction is still running. It commits, and then the producer dies.
    await waitFor('the broker asks', () => asked.includes('ord_4'));
    await brokerHasAskedTwice(producer, asked);
    orders.add('ord_4');
    await producer.shutdown();
    producers.delete(producer);

    const askedLater: string[] = [];
    const second = await startProducer(naiveBackCheck(orders, askedLater));
    await brokerHasAskedTwice(second, askedLater);
    await readerHasCaughtUp(second);

    expect(askedLater).not.toContain('ord_4');
    expect({ isOrder: orders.has('ord_4'), isVisible: isVisible('ord_4') }).toEqual({
      isOrder: true,
      isVisible: false,
    });
  });

  it('of a producer that lives comes back with its late commit, since the broker forgets the rollback', async () => {
    const orders = new Set<string>();
    const asked: string[] = [];
    const producer = await startProducer(naiveBackCheck(orders, asked));
    const transaction = await sendHalf(producer, 'ord_7');
    await waitFor('the broker asks', () => asked.includes('ord_7'));
    await brokerHasAskedTwice(producer, asked);
    await readerHasCaughtUp(producer);
    expect(isVisible('ord_7')).toBe(false);

    await transaction.commit();

    await waitFor('the event arrives', () => isVisible('ord_7'));
  });

  /**
   * The rule of `closeTransaction` in src/database/orders.ts, there a unique index, here a map: who writes the receipt first
   * has decided, and the answer "rolled back" is given only by writing it.
   */
  it('agrees with its order when the back-check closes the transaction before it says "rolled back"', async () => {
    const receipts = new Map<string, 'done' | 'fenced'>();
    const decide = (orderId: string, decision: 'done' | 'fenced'): 'done' | 'fenced' => {
      const decided = receipts.get(orderId) ?? decision;
      receipts.set(orderId, decided);
      return decided;
    };
    const asked: string[] = [];
    const producer = await startProducer((orderId) => {
      asked.push(orderId);
      return Promise.resolve(decide(orderId, 'fenced') === 'done' ? COMMIT : ROLLBACK);
    });
    await sendHalf(producer, 'ord_5');
    const late = await sendHalf(producer, 'ord_6');
    decide('ord_5', 'done');

    await waitFor('the broker asks for both', () => asked.includes('ord_5') && asked.includes('ord_6'));
    const lateCommit = decide('ord_6', 'done');
    if (lateCommit === 'done') await late.commit();

    await waitFor('the event of the committed order arrives', () => isVisible('ord_5'));
    await readerHasCaughtUp(producer);
    expect({ lateCommit, isVisible: isVisible('ord_6') }).toEqual({ lateCommit: 'fenced', isVisible: false });
  });
});

/** For a producer that must not be asked: what it leaves open stays so. */
function never(): Promise<typeof COMMIT> {
  return new Promise(() => undefined);
}

function nothing(): void {
  // Nobody reads the driver's log in a test.
}
