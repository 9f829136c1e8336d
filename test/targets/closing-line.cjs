const ClosingLine = require('../patterns/closing-line.cjs');

/** The closing line of this suite; what was skipped is said in a line before it. */
module.exports = class ClosingLineWithSkipped extends ClosingLine {
  onRunComplete(contexts, result) {
    const skipped = result.numPendingTests;
    if (skipped > 0) {
      const servers = process.env.AFTERCOMMIT_TEST_TARGETS_SKIP ?? '';
      process.once('exit', () =>
        console.log(`${skipped} skipped (AFTERCOMMIT_TEST_TARGETS_SKIP=${servers})`),
      );
    }
    super.onRunComplete(contexts, result);
  }
};
