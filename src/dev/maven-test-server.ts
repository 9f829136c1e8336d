import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Environment } from './cache';
import { runCommand } from './commands';
import { intoPlace } from './into-place';
import { tryWithProgress } from './progress';

/** The release that was tried with Temporal's SDK 1.24.0. */
export const MAVEN_VERSION = '1.37.0';
export const MAVEN_ARTIFACT = `io.temporal:temporal-test-server:${MAVEN_VERSION}`;

/** Measured: 6 s for 38 MB from a near mirror; the first time Maven fetches its own plug-ins too. */
const ESTIMATE_MS = 30_000;
const TIMEOUT_MS = 10 * 60_000;
/** Maven's own default is 10 s to connect but half an hour without an answer. */
const ANSWER_TIMEOUT_MS = 30_000;
const LAST_LINES = 3;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>aftercommit</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${MAVEN_VERSION}</version>
    </dependency>
    <!-- Without a logger behind it, slf4j-api (1.7.36 here) complains on each start. -->
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/**
 * The SDK starts the program with the port as its only argument and ends it with SIGKILL; `exec` makes Java that
 * very process. When the test run itself is killed nobody is left to end the server, so a small watcher does.
 * `--enable-time-skipping` is left out on purpose, as the SDK leaves it out for its own download: with it time runs
 * ahead even while no result is awaited, so a deadline passes before a test can act, and `environment.sleep` fails
 * inside the server. The SDK unlocks time skipping itself.
 */
const LAUNCHER = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
server=$$
starter=$PPID
(
  while kill -0 "$starter" && kill -0 "$server"; do sleep 1; done
  kill -0 "$starter" || kill -9 "$server"
) </dev/null >/dev/null 2>&1 &
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx512m -cp "$here/lib/*" \\
  io.temporal.testserver.TestServer "$@"
`;

/**
 * Fetches the test server's libraries with Maven and writes a script that runs them with the `java` on PATH.
 * @returns undefined when the script is at its target, otherwise why it is not
 */
export function installWithMaven(options: {
  target: string;
  maven: string;
  env: Environment;
}): Promise<string | undefined> {
  const { target, maven, env } = options;
  return intoPlace(target, (partial) =>
    tryWithProgress(
      { title: 'Fetching the time-skipping test server with Maven', estimateMs: ESTIMATE_MS },
      async (report) => {
        await writeFile(path.join(partial, 'pom.xml'), POM);
        const result = await runCommand({
          command: maven,
          args: [
            '--batch-mode',
            '--strict-checksums',
            `-Daether.connector.requestTimeout=${ANSWER_TIMEOUT_MS}`,
            `-Dmaven.wagon.rto=${ANSWER_TIMEOUT_MS}`,
            `-DoutputDirectory=${path.join(partial, 'lib')}`,
            'dependency:copy-dependencies',
          ],
          cwd: partial,
          env,
          timeoutMs: TIMEOUT_MS,
          onLine: (line) => report(/[^/ ]+\.jar/.exec(line)?.[0] ?? 'resolving'),
        });
        if (!result.succeeded) return `${result.failure}: ${lastErrors(result.output)}`;
        await writeFile(path.join(partial, path.basename(target)), LAUNCHER, { mode: 0o755 });
        return undefined;
      },
    ),
  );
}

function lastErrors(output: string): string {
  const errors = output.split('\n').filter((line) => line.includes('ERROR'));
  return errors.slice(0, LAST_LINES).join(' ').trim();
}
