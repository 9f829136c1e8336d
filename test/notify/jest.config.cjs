/** Ten thousand messages, three times over, take their time, so they have a run of their own: `npm run test:notify`. */
const { transform, globalSetup, globalTeardown } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/notify'],
  testMatch: ['**/*.campaign.ts'],
  testEnvironment: 'node',
  transform,
  globalSetup,
  globalTeardown,
  // Measured on two cores shared with other work: 18 and 24 min for one run of 10,000 messages, its check included.
  testTimeout: 60 * 60_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/patterns/closing-line.cjs'],
};
