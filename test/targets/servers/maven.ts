import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDirectory, type Environment } from '../../../src/dev/cache';
import { findOnPath, isExecutableFile, runCommand } from '../../../src/dev/commands';
import { intoPlace } from '../../../src/dev/into-place';
import { withLock } from '../../../src/dev/lock';
import { tryWithProgress } from '../../../src/dev/progress';

/** `group:artifact:version`. */
export type Coordinate = string;

export interface MavenOptions {
  env: Environment;
  /** `group:artifact` of what is left out, wherever it is asked for. */
  exclude?: readonly string[];
  /** An honest guess for a near mirror and two cores, in milliseconds. Default 20,000. */
  estimateMs?: number;
}

const ESTIMATE_MS = 20_000;
const INSTALL_MS_MAX = 8 * 60_000;
/** Maven's own default is 10 s to connect but half an hour without an answer. */
const ANSWER_TIMEOUT_MS = 30_000;
/** Enough of a digest to tell apart the handful of lists that a cache ever holds. */
const DIGEST_CHARACTERS = 12;
const OUTPUT_SHOWN_CHARACTERS = 500;

/** What `intoPlace` takes for the sign of a complete directory; it also shows a person how to use the libraries. */
const LAUNCHER = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec java -cp "$here/lib/*" "$@"
`;

/**
 * Makes sure that libraries and all that they need are in the cache.
 * @param name - of the directory, and for messages: "elasticmq"
 * @returns a class path for `java -cp`
 * @throws Error naming what is missing, when there is no Java or Maven or the libraries cannot be had
 */
export async function mavenJars(
  name: string,
  coordinates: readonly Coordinate[],
  options: MavenOptions,
): Promise<string> {
  const { env, exclude = [] } = options;
  const pom = projectOf(name, coordinates, exclude);
  const cache = cacheDirectory(env);
  const target = path.join(cache, `${name}-${digest(pom)}`, 'run');
  const classPath = path.join(path.dirname(target), 'lib', '*');
  if ((await findOnPath('java', env)) === undefined) throw new Error(`${name} needs Java: no java on PATH.`);
  return withLock({ file: path.join(cache, `${name}.lock`) }, async () => {
    if (await isExecutableFile(target)) return classPath;
    const maven = await findOnPath('mvn', env);
    if (maven === undefined) throw new Error(`${name} is fetched with Maven: no mvn on PATH.`);
    const failure = await intoPlace(target, (partial) =>
      tryWithProgress(
        { title: `Fetching ${name} with Maven`, estimateMs: options.estimateMs ?? ESTIMATE_MS },
        () => fetchInto(partial, { maven, env, pom }),
      ),
    );
    if (failure !== undefined) throw new Error(`${name} could not be fetched: ${failure}`);
    return classPath;
  });
}

async function fetchInto(
  partial: string,
  { maven, env, pom }: { maven: string; env: Environment; pom: string },
): Promise<string | undefined> {
  await writeFile(path.join(partial, 'pom.xml'), pom);
  const result = await runCommand({
    command: maven,
    args: [
      '--batch-mode',
      '--strict-checksums',
      `-Daether.connector.requestTimeout=${ANSWER_TIMEOUT_MS}`,
      `-Dmaven.wagon.rto=${ANSWER_TIMEOUT_MS}`,
      '-DincludeScope=runtime',
      `-DoutputDirectory=${path.join(partial, 'lib')}`,
      'dependency:copy-dependencies',
    ],
    cwd: partial,
    env,
    timeoutMs: INSTALL_MS_MAX,
  });
  if (!result.succeeded) return `${result.failure}: ${result.output.slice(-OUTPUT_SHOWN_CHARACTERS)}`;
  await writeFile(path.join(partial, 'run'), LAUNCHER, { mode: 0o755 });
  return undefined;
}

function projectOf(name: string, coordinates: readonly Coordinate[], exclude: readonly string[]): string {
  const exclusions = exclude.map((excluded) => {
    const [groupId, artifactId] = parts(excluded, 2);
    return element('exclusion', { groupId, artifactId });
  });
  const dependencies = coordinates.map((coordinate) => {
    const [groupId, artifactId, version] = parts(coordinate, 3);
    return element('dependency', { groupId, artifactId, version, exclusions: exclusions.join('') });
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">${members({
    modelVersion: '4.0.0',
    groupId: 'aftercommit',
    artifactId: name,
    version: '1',
    packaging: 'pom',
    dependencies: dependencies.join(''),
  })}</project>\n`;
}

function parts(coordinate: string, count: number): string[] {
  const found = coordinate.split(':');
  // Such names need no escaping in XML.
  if (found.length === count && found.every((part) => /^[\w.-]+$/.test(part))) return found;
  throw new RangeError(`Not ${count} names with colons between them: ${coordinate}`);
}

function element(name: string, content: Record<string, string | undefined>): string {
  return `<${name}>${members(content)}</${name}>`;
}

function members(content: Record<string, string | undefined>): string {
  return Object.entries(content)
    .map(([name, value]) => `<${name}>${value ?? ''}</${name}>`)
    .join('');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_CHARACTERS);
}
