import { tmpdir } from 'node:os';
import { cacheDirectory } from '../../src/dev/cache';
import { startThrowawayPostgres, type EmbeddedPostgres } from '../../src/dev/embedded-postgres';

declare global {
  var aftercommitTestPostgres: EmbeddedPostgres | undefined;
}

const EXIT_CODE_INTERRUPTED = 130;

/**
 * Starts the one PostgreSQL server of this test run and names it in AFTERCOMMIT_TEST_DATABASE_URL: a superuser's URL,
 * so that each test file can make its own database. A URL that is already set is used as it is.
 */
async function globalSetup(): Promise<void> {
  if ((process.env['AFTERCOMMIT_TEST_DATABASE_URL'] ?? '') !== '') return;
  const server = await startThrowawayPostgres({
    temporaryDirectory: tmpdir(),
    cacheDirectory: cacheDirectory(process.env),
  });
  globalThis.aftercommitTestPostgres = server;
  process.env['AFTERCOMMIT_TEST_DATABASE_URL'] = server.url;
  // Jest leaves without its teardown when it is interrupted. The signal may come twice: from the terminal, and from
  // the script that runs Jest.
  let interrupted: Promise<void> | undefined;
  const leave = (): void => {
    interrupted ??= server.stop().finally(() => process.exit(EXIT_CODE_INTERRUPTED));
  };
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
}

module.exports = globalSetup;
