/** Ends the run with one plain line, as every suite of this project does. */
module.exports = class ClosingLine {
  onRunComplete(_contexts, result) {
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    console.log(`${result.numPassedTests} passed, ${failed} failed`);
  }
};
