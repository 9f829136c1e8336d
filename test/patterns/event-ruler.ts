import { spawn } from 'node:child_process';
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { cacheDirectory, type Environment } from '../../src/dev/cache';
import { findOnPath, runCommand } from '../../src/dev/commands';
import { intoPlace } from '../../src/dev/into-place';
import { withLock } from '../../src/dev/lock';
import { tryWithProgress } from '../../src/dev/progress';

export const EVENT_RULER_VERSION = '1.8.1';

/** Measured: 6 jars, 3 s from a near mirror; the first time Maven fetches its own plug-ins too. */
const ESTIMATE_MS = 20_000;
const INSTALL_MS_MAX = 5 * 60_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>aftercommit</groupId>
  <artifactId>event-ruler</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>software.amazon.event.ruler</groupId>
      <artifactId>event-ruler</artifactId>
      <version>${EVENT_RULER_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

/** Runs a Java source file with event-ruler's libraries; `exec` makes Java the very process that is started. */
const LAUNCHER = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec java -XX:+UseSerialGC -Xmx512m -cp "$here/lib/*" "$@"
`;

/** What event-ruler says of one pattern. */
export interface Answer {
  /** One for each event; absent when the pattern is refused. */
  matches?: boolean[];
  refusal?: string;
  /** An error of event-ruler's own while it matched. */
  failure?: string;
}

/** JSON texts. `apart`: each alternative on its own, so that event-ruler's alternatives cannot disturb each other. */
export interface Question {
  pattern: string;
  events: readonly string[];
  apart?: boolean;
}

/** AWS's matcher in a process of its own. */
export interface EventRuler {
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

/**
 * Makes sure that event-ruler's libraries are in the cache.
 * @returns a program that runs a Java source file with them
 * @throws Error naming what is missing, when there is no Java or Maven
 */
export async function installEventRuler(env: Environment): Promise<string> {
  const maven = await findOnPath('mvn', env);
  const java = await findOnPath('java', env);
  if (java === undefined) throw new Error('event-ruler needs Java 17 or later: no java on PATH.');
  const cache = cacheDirectory(env);
  const target = path.join(cache, `event-ruler-${EVENT_RULER_VERSION}`, 'run');
  return withLock({ file: path.join(cache, 'event-ruler.lock') }, async () => {
    if (await exists(target)) return target;
    if (maven === undefined) throw new Error('event-ruler is fetched with Maven: no mvn on PATH.');
    const failure = await intoPlace(target, (partial) => fetchInto(partial, maven, env));
    if (failure !== undefined) throw new Error(`event-ruler could not be fetched: ${failure}`);
    return target;
  });
}

function fetchInto(partial: string, maven: string, env: Environment): Promise<string | undefined> {
  return tryWithProgress({ title: 'Fetching event-ruler with Maven', estimateMs: ESTIMATE_MS }, async () => {
    await writeFile(path.join(partial, 'pom.xml'), POM);
    const outputDirectory = `-DoutputDirectory=${path.join(partial, 'lib')}`;
    const result = await runCommand({
      command: maven,
      args: ['--batch-mode', '--strict-checksums', outputDirectory, 'dependency:copy-dependencies'],
      cwd: partial,
      env,
      timeoutMs: INSTALL_MS_MAX,
    });
    if (!result.succeeded) return `${result.failure}: ${result.output.slice(-500)}`;
    await writeFile(path.join(partial, 'run'), LAUNCHER, { mode: 0o755 });
    return undefined;
  });
}

/** Starts the oracle. Questions are answered in their order, one line each. */
export async function startEventRuler(env: Environment): Promise<EventRuler> {
  const program = await installEventRuler(env);
  const child = spawn(program, [path.join(__dirname, 'Oracle.java')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const waiting: ((answer: Answer) => void)[] = [];
  createInterface({ input: child.stdout }).on('line', (line) =>
    waiting.shift()?.(JSON.parse(line) as Answer),
  );
  child.once('close', () => {
    for (const resolve of waiting.splice(0)) resolve({ failure: 'event-ruler has ended' });
  });
  child.once('error', (error) => {
    for (const resolve of waiting.splice(0)) resolve({ failure: error.message });
  });
  return {
    ask: (question) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        child.stdin.write(`${JSON.stringify(question)}\n`);
      }),
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
