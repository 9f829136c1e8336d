/** Two thousand orders take their time, so they have a run of their own: `npm run test:payments`. */
const { transform, globalSetup, globalTeardown } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/payments'],
  testMatch: ['**/*.campaign.ts'],
  testEnvironment: 'node',
  transform,
  globalSetup,
  globalTeardown,
  // Measured on two cores shared with other work: 11.5 min for 2,000 orders, their check included.
  testTimeout: 30 * 60_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/patterns/closing-line.cjs'],
};
