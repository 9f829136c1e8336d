/** Targets against real brokers, which must be fetched first, so they have a run of their own: `npm run test:targets`. */
const { transform } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/targets'],
  testMatch: ['**/*.integration.ts'],
  testEnvironment: 'node',
  transform,
  // The first run fetches and builds the servers; one server at a time has the machine for itself.
  testTimeout: 10 * 60_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/targets/closing-line.cjs'],
};
