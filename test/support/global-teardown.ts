import './global-setup';

/** Stops the server that the setup of this run started and removes its files. */
async function globalTeardown(): Promise<void> {
  await globalThis.aftercommitTestPostgres?.stop();
}

module.exports = globalTeardown;
