/** A target that is down for minutes takes minutes, so it has a run of its own: `npm run test:outage`. */
const { transform, globalSetup, globalTeardown } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/outage'],
  testMatch: ['**/*.campaign.ts'],
  testEnvironment: 'node',
  transform,
  globalSetup,
  globalTeardown,
  testTimeout: 30 * 60_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/patterns/closing-line.cjs'],
};
