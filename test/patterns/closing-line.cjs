/** Ends the run with one plain line, as every suite of this project does: after Jest's own summary, so at the exit. */
module.exports = class ClosingLine {
  onRunComplete(_contexts, result) {
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    process.once('exit', () => console.log(`${result.numPassedTests} passed, ${failed} failed`));
  }
};
