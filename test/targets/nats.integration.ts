import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { createNatsTarget } from '../../src/bus/targets/nats';
import type { Target } from '../../src/bus/targets/target';
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy';
import { contractRequest, targetContract, type Received, type TargetHarness } from '../contract/target';
import {
  BROKER_SITUATIONS,
  POISON,
  arrangeProxy,
  brokerDeps,
  receivedFrom,
  receivedOf,
  sendThroughCrash,
  withoutRepeats,
} from './broker-harness';
import {
  NATS_LIMITED_SUBJECT,
  NATS_LIMITED_USER,
  NATS_USER,
  startNats,
  type NatsServer,
} from './servers/nats';
import { loopback } from './servers/restartable';
import { describeWith } from './servers/server';

const TIMEOUT_MS = 1_000;
/** Smaller than what the server takes at all, so that it is the stream that refuses. Bytes. */
const STREAM_MESSAGE_BYTES_MAX = 65_536;

describeWith('nats', 'a nats target against nats-server', () => {
  let server: NatsServer;
  let proxy: FaultProxy;
  let streams = 0;
  const targets: Target[] = [];
  beforeAll(async () => {
    server = await startNats(process.env);
    proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port });
  });
  afterEach(async () => {
    await proxy.heal();
    for (const target of targets.splice(0)) await target.close();
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  function openTarget(subject: string, user = NATS_USER): Target {
    const target = createNatsTarget(
      { subject, timeoutMs: TIMEOUT_MS },
      { ...brokerDeps({ nats: [loopback(proxy.port)] }), connection: { kind: 'basic', ...user } },
    );
    targets.push(target);
    return target;
  }

  /** Looks around the proxy. */
  async function withManager<Result>(look: (manager: JetStreamManager) => Promise<Result>): Promise<Result> {
    const { username: user, password: pass } = NATS_USER;
    const connection: NatsConnection = await connect({ servers: loopback(server.port), user, pass });
    try {
      return await look(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  }

  async function newStream(subject?: string): Promise<{ name: string; subject: string }> {
    const name = `orders-${(streams += 1)}`;
    const stream = { name, subject: subject ?? `orders.${streams}` };
    await withManager((manager) =>
      manager.streams.add({ name, subjects: [stream.subject], max_msg_size: STREAM_MESSAGE_BYTES_MAX }),
    );
    return stream;
  }

  function readStream(name: string): Promise<Received[]> {
    return withManager(async (manager) => {
      const { state } = await manager.streams.info(name);
      const received: Received[] = [];
      for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
        const message = await manager.streams.getMessage(name, { seq });
        if (message === null) continue;
        const headers = Object.fromEntries(
          message.header.keys().map((key) => [key, message.header.get(key)]),
        );
        received.push(receivedFrom(new TextDecoder().decode(message.data), headers));
      }
      return received;
    });
  }

  async function openHarness(): Promise<TargetHarness> {
    const { name, subject } = await newStream();
    const target = openTarget(subject);
    return {
      target,
      timeoutMs: TIMEOUT_MS,
      situations: BROKER_SITUATIONS,
      poison: POISON,
      dropsRepeats: true,
      // The server asks with a PING whether the client is there; an acknowledgement names the stream.
      arrange: (situation) => arrangeProxy(proxy, situation, (bytes) => bytes.includes('"stream"')),
      received: () => readStream(name),
      close: () => target.close(),
    };
  }

  targetContract('nats', openHarness);

  it('delivers an event again for a replay and for another delivery, within the deduplication window', async () => {
    const { name, subject } = await newStream();
    const target = openTarget(subject);
    const request = contractRequest(1);
    const replayed = { ...request, replayId: 'rpl_1' };
    const ofAnotherRule = { ...request, deliveryId: contractRequest(2).deliveryId, ruleName: 'other' };

    for (const one of [request, request, replayed, replayed, ofAnotherRule]) {
      expect(await target.send(one)).toMatchObject({ kind: 'delivered' });
    }

    expect(await readStream(name)).toEqual([request, replayed, ofAnotherRule].map(receivedOf));
  });

  it('gives up when no stream takes the subject', async () => {
    const target = openTarget('nobody.listens');

    expect(await target.send(contractRequest(1))).toMatchObject({ kind: 'dead', code: 'unknown_stream' });
  });

  it('gives up what is larger than the server takes, and delivers the next', async () => {
    const { subject } = await newStream();
    const target = openTarget(subject);
    const larger = { ...contractRequest(1), payload: 'x'.repeat(200_000) };

    expect(await target.send(larger)).toMatchObject({ kind: 'dead', code: 'message_too_large' });
    expect(await target.send(contractRequest(2))).toMatchObject({ kind: 'delivered' });
  });

  it('tries again later while the stream is full', async () => {
    const { name, subject } = await newStream();
    await withManager(async (manager) => {
      await manager.streams.update(name, { max_msgs: 1, discard: 'new' });
    });
    const target = openTarget(subject);

    expect(await target.send(contractRequest(1))).toMatchObject({ kind: 'delivered' });
    expect(await target.send(contractRequest(2))).toMatchObject({
      kind: 'retry',
      code: 'broker_unavailable',
    });
  });

  it('gives up when the broker does not know the credentials or does not let them publish here', async () => {
    const { subject } = await newStream();
    await newStream(NATS_LIMITED_SUBJECT);
    const stranger = openTarget(subject, { ...NATS_USER, password: 'wrong' });
    const limited = openTarget(subject, NATS_LIMITED_USER);
    const allowed = openTarget(NATS_LIMITED_SUBJECT, NATS_LIMITED_USER);

    expect(await stranger.send(contractRequest(1))).toMatchObject({ kind: 'dead', code: 'access_denied' });
    expect(await limited.send(contractRequest(1))).toMatchObject({ kind: 'dead', code: 'access_denied' });
    expect(await allowed.send(contractRequest(1))).toMatchObject({ kind: 'delivered' });
  });

  it('loses nothing that was acknowledged when the broker is killed and started again', async () => {
    const { name, subject } = await newStream();
    const target = openTarget(subject);

    const { acknowledged, failures } = await sendThroughCrash(target, server);
    const received = await readStream(name);

    expect(failures.filter((failure) => failure.startsWith('dead'))).toEqual([]);
    expect(withoutRepeats(received)).toEqual(acknowledged.map(receivedOf));
    const sent = acknowledged.map(receivedOf);
    for (const copy of received) expect(sent).toContainEqual(copy);
  });
});
