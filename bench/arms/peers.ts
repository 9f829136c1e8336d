import { existsSync } from 'node:fs';
import path from 'node:path';
import { findFreePort } from '../../src/dev/ports';
import type { Arm, ArmPlaces, RunningArm } from './arm';
import { SHOP_BOOKS } from './books';
import { startNode, stopAll, untilReady } from './program';

const PEERS = path.resolve(__dirname, '../peers');

interface Peer {
  name: string;
  title: string;
  needsTemporal?: boolean;
  /** Its processes: a program of bench/peers and its own settings. */
  programs: readonly { file: string; settings?: Record<string, string> }[];
}

/** Relays run beside the API in a process of their own: on two cores that is the better of the two for them. */
const RELAY_ROLES = ['api', 'relay'] as const;

function outboxPeer(name: string, title: string, pollMs: number): Peer {
  return {
    name,
    title,
    programs: RELAY_ROLES.map((role) => ({
      file: 'outbox.mjs',
      settings: { ROLE: role, POLL_MS: String(pollMs) },
    })),
  };
}

/** Orders that DBOS's group form puts into one transaction and one workflow at most. */
const DBOS_GROUP_MAX = 200;

const PEER_LIST: readonly Peer[] = [
  {
    name: 'plain',
    title: 'one Temporal workflow per order, default settings',
    needsTemporal: true,
    programs: [{ file: 'plain-worker.mjs' }, { file: 'plain-api.mjs' }],
  },
  outboxPeer('outbox-poll-1s', 'outbox, polled each second', 1_000),
  outboxPeer('outbox-poll-20ms', 'outbox, polled each 20 ms', 20),
  { name: 'dbos', title: 'DBOS Transact, a workflow per order', programs: [{ file: 'dbos.mjs' }] },
  {
    name: 'dbos-group',
    title: 'DBOS Transact, a workflow per group',
    programs: [{ file: 'dbos.mjs', settings: { GROUP_MAX: String(DBOS_GROUP_MAX) } }],
  },
  { name: 'graphile', title: 'graphile-worker, a job per order', programs: [{ file: 'graphile.mjs' }] },
  { name: 'floor', title: 'the floor: from memory, not durable', programs: [{ file: 'floor.mjs' }] },
];

export const PEER_ARMS: readonly Arm[] = PEER_LIST.map((peer) => ({
  name: peer.name,
  title: peer.title,
  needsTemporal: peer.needsTemporal ?? false,
  books: SHOP_BOOKS,
  unavailable: () =>
    existsSync(path.join(PEERS, 'node_modules')) ? null : 'bench/peers is not installed: npm ci there',
  start: (places) => startPeer(peer, places),
}));

async function startPeer(peer: Peer, places: ArmPlaces): Promise<RunningArm> {
  const port = await findFreePort({ name: peer.name, preferred: 0 });
  const url = `http://127.0.0.1:${port}`;
  const shared = {
    PORT: String(port),
    DATABASE_URL: places.databaseUrl,
    SINK_URL: places.sinkUrl,
    TWILIO_URL: places.twilioUrl,
    ...(places.temporalAddress === null ? {} : { TEMPORAL_ADDRESS: places.temporalAddress }),
  };
  const nodes = await Promise.all(
    peer.programs.map(({ file, settings }, index) =>
      startNode({
        name: `${peer.name}-${index}`,
        file: path.join(PEERS, file),
        settings: { ...shared, ...settings },
        directory: places.directory,
      }),
    ),
  );
  try {
    await untilReady(url, nodes);
  } catch (error) {
    await stopAll(nodes);
    throw error;
  }
  return { url, nodes, engines: [], stop: () => stopAll(nodes) };
}
