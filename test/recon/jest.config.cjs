/** A thousand orders and a real Temporal take minutes, so they have a run of their own: `npm run test:recon`. */
const { transform, globalSetup, globalTeardown } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/recon'],
  testMatch: ['**/*.campaign.ts'],
  testEnvironment: 'node',
  transform,
  globalSetup,
  globalTeardown,
  testTimeout: 30 * 60_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/patterns/closing-line.cjs'],
};
