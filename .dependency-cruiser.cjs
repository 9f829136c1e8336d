/**
 * The import table of ARCHITECTURE.md ("Rooms"), as rules. Data flows one way:
 * http -> workflows -> activities -> (domain, database, bus, channels, gateways).
 */
const room = (name) => `^src/${name}(/|\\.ts$)`;
const rooms = (...names) => `^src/(${names.join('|')})(/|\\.ts$)`;

/** What a room may import from other rooms and from npm. `types`: rooms of which it may take types only. */
const table = [
  { name: 'errors', rooms: [], npm: [] },
  { name: 'log', rooms: [], npm: ['pino'] },
  { name: 'metrics', rooms: ['database'], npm: ['prom-client'] },
  { name: 'domain', rooms: ['errors'], npm: [] },
  {
    name: 'workflows',
    rooms: ['domain', 'errors'],
    types: ['activities'],
    npm: ['@temporalio/workflow', '@temporalio/common'],
  },
  {
    name: 'activities',
    // A successor is started by its name and signal, so activities know the messages, as http does.
    rooms: [
      'domain',
      'database',
      'bus',
      'channels',
      'gateways',
      'workflows/messages',
      'errors',
      'log',
      'metrics',
    ],
    npm: ['@temporalio/activity', '@temporalio/common'],
  },
  { name: 'consumer', rooms: [], npm: [] },
  // What the package exports, beside `consumer`.
  { name: 'saga', rooms: ['workflows/compensations', 'workflows/step-results'], npm: [] },
  {
    name: 'transactions',
    rooms: ['consumer', 'database/receipts', 'database/transaction', 'errors'],
    npm: [],
  },
  { name: 'database', rooms: ['domain', 'errors', 'log'], npm: ['pg'] },
  {
    name: 'bus',
    rooms: ['domain', 'errors', 'log'],
    npm: [
      'undici',
      'ipaddr.js',
      // Drivers of targets: optional, except for those that the service itself needs.
      'pg',
      '@temporalio/client',
      '@aws-sdk',
      '@smithy',
      'kafkajs',
      'rocketmq-client-nodejs',
      '@nats-io',
      'rabbitmq-client',
      'jsonata',
    ],
  },
  { name: 'channels', rooms: ['domain', 'errors', 'log'], npm: ['twilio', 'undici'] },
  // The verification of signatures is the consumer's, which imports nothing.
  { name: 'gateways', rooms: ['domain', 'errors', 'log', 'consumer'], npm: ['undici'] },
  {
    name: 'lanes',
    rooms: ['activities', 'database', 'domain', 'errors', 'log', 'metrics', 'workflows/messages'],
    npm: ['@temporalio/client'],
  },
  {
    name: 'http',
    rooms: ['domain', 'database', 'bus', 'workflows/messages', 'errors', 'log', 'metrics'],
    // What participants' webhooks say, and the flash lane. Who reads them, and who is it, is handed in.
    types: ['gateways', 'lanes'],
    npm: [
      'express',
      '@temporalio/client',
      '@temporalio/common',
      'zod',
      '@asteasolutions/zod-to-openapi',
      'swagger-ui-dist',
      'helmet',
      'express-rate-limit',
      'pino-http',
      'libphonenumber-js',
    ],
  },
];

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

const forbidden = table.flatMap(({ name, rooms: allowedRooms, types = [], npm }) => [
  {
    name: `${name}-imports-only-its-rooms`,
    severity: 'error',
    from: { path: room(name) },
    to: {
      path: '^src/',
      pathNot: rooms(name, ...allowedRooms),
      dependencyTypesNot: types.length > 0 ? ['type-only'] : [],
    },
  },
  ...(types.length === 0
    ? []
    : [
        {
          name: `${name}-takes-only-types-of-${types.join('-and-')}`,
          severity: 'error',
          from: { path: room(name) },
          to: { path: '^src/', pathNot: rooms(name, ...allowedRooms, ...types) },
        },
      ]),
  {
    name: `${name}-imports-only-its-packages`,
    severity: 'error',
    from: { path: room(name) },
    to: {
      path: 'node_modules/',
      pathNot: npm.length > 0 ? `node_modules/(@types/)?(${npm.map(escape).join('|')})/` : '^$',
      dependencyTypesNot: ['type-only'],
    },
  },
]);

module.exports = {
  forbidden: [
    ...forbidden,
    {
      name: 'the-saga-kit-stands-alone',
      comment: 'Callers bundle it into workflows of their own.',
      severity: 'error',
      from: { path: '^src/workflows/(compensations|step-results)\\.ts$' },
      to: { pathNot: ['node_modules/@temporalio/workflow/', '^src/workflows/step-results\\.ts$'] },
    },
    {
      name: 'pure-rooms-use-no-node-built-ins',
      severity: 'error',
      from: { path: rooms('errors', 'domain', 'workflows', 'saga') },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-dev-imports-dev',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/dev(/|\\.ts$)' },
      to: { path: '^src/dev/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
