/** Each kill costs the time after which Temporal takes a worker for dead, so these have a run of their own: `npm run test:crash`. */
const { transform, globalSetup, globalTeardown } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/crash'],
  testMatch: ['**/*.crash.ts'],
  testEnvironment: 'node',
  transform,
  globalSetup,
  globalTeardown,
  testTimeout: 180_000,
  // They mostly wait, each for a system of its own.
  maxWorkers: 2,
  reporters: ['default', '<rootDir>/test/patterns/closing-line.cjs'],
};
