/** Measurements that need the running product: `npm run bench:enqueue`. Never part of a test. */
const { transform, globalSetup, globalTeardown } = require('../jest.config.cjs');

module.exports = {
  rootDir: '..',
  roots: ['<rootDir>/bench'],
  testMatch: ['**/*.bench.ts'],
  testEnvironment: 'node',
  transform,
  globalSetup,
  globalTeardown,
  testTimeout: 10 * 60_000,
  maxWorkers: 1,
};
