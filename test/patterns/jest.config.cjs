/** The comparison with AWS's matcher needs Java and Maven, so it has a run of its own: `npm run test:patterns`. */
const { transform } = require('../../jest.config.cjs');

module.exports = {
  rootDir: '../..',
  roots: ['<rootDir>/test/patterns'],
  testMatch: ['**/*.differential.ts'],
  testEnvironment: 'node',
  transform,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/patterns/closing-line.cjs'],
};
