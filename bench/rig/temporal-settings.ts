/** The settings of the Temporal server of the rig: production's services in one process, on two cores. */

export interface TemporalPorts {
  frontend: number;
  http: number;
  history: number;
  matching: number;
  worker: number;
  membership: [frontend: number, history: number, matching: number, worker: number];
}

/** Fixed at the first start of a cluster; 4 to 16 fit two cores. */
export const HISTORY_SHARDS = 8;
/** Connections of each of the four services to the store; PostgreSQL has 200 for all. */
const STORE_CONNECTIONS = 20;
const VISIBILITY_CONNECTIONS = 5;

/** As its file: the database's password is in it, so only its owner may read it. */
export function temporalConfiguration(options: {
  ports: TemporalPorts;
  databases: { store: string; visibility: string };
  postgresPort: string;
  password: string;
  dynamicConfiguration: string;
}): string {
  const { ports, databases } = options;
  const store = (database: string, connections: number): object => ({
    sql: {
      pluginName: 'postgres12',
      databaseName: database,
      connectAddr: `127.0.0.1:${options.postgresPort}`,
      connectProtocol: 'tcp',
      user: 'postgres',
      password: options.password,
      maxConns: connections,
      maxIdleConns: connections,
      maxConnLifetime: '1h',
    },
  });
  const [frontend, history, matching, worker] = ports.membership;
  const service = (grpcPort: number, membershipPort: number, more: object = {}): object => ({
    rpc: { grpcPort, membershipPort, bindOnLocalHost: true, ...more },
  });
  // JSON is YAML.
  return JSON.stringify({
    log: { stdout: true, level: 'error' },
    persistence: {
      defaultStore: 'store',
      visibilityStore: 'visibility',
      numHistoryShards: HISTORY_SHARDS,
      datastores: {
        store: store(databases.store, STORE_CONNECTIONS),
        visibility: store(databases.visibility, VISIBILITY_CONNECTIONS),
      },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: {
      frontend: service(ports.frontend, frontend, { httpPort: ports.http }),
      history: service(ports.history, history),
      matching: service(ports.matching, matching),
      worker: service(ports.worker, worker),
    },
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `127.0.0.1:${ports.frontend}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: options.dynamicConfiguration, pollInterval: '1h' },
  });
}

/** Above anything that two cores can do: what is measured is the work, not a limit. */
const UNLIMITED = 1_000_000;

const DYNAMIC: Readonly<Record<string, number | boolean | string>> = {
  'frontend.rps': UNLIMITED,
  'frontend.namespaceRPS': UNLIMITED,
  'frontend.namespaceRPS.visibility': UNLIMITED,
  'frontend.persistenceMaxQPS': UNLIMITED,
  'history.rps': UNLIMITED,
  'history.persistenceMaxQPS': UNLIMITED,
  'matching.rps': UNLIMITED,
  'matching.persistenceMaxQPS': UNLIMITED,
  'history.shardIOConcurrency': 4,
  'history.enableHostLevelEventsCache': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'system.enableActivityEagerExecution': true,
  'system.enableEagerWorkflowStart': true,
  // Search attributes that were just made are known after a second instead of ten; asked once a second.
  'system.namespaceCacheRefreshInterval': '1s',
  'frontend.enableServerVersionCheck': false,
};

export const TEMPORAL_DYNAMIC_CONFIGURATION = Object.entries(DYNAMIC)
  .map(([name, value]) => `${name}:\n  - value: ${String(value)}\n`)
  .join('');
