import { readFileSync } from 'node:fs';
import type { Environment } from './settings';

/** Empty is unset; `<NAME>_FILE` gives the value of a secret. */
export function readFiles(
  environment: Environment,
  secrets: readonly string[],
  problems: string[],
): Environment {
  const given: Environment = {};
  for (const [name, value] of Object.entries(environment)) if (value !== '') given[name] = value;
  for (const name of secrets) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) problems.push(`${name}: is set, and so is ${name}_FILE; set one of them`);
    try {
      given[name] = readFileSync(file, 'utf8').trim();
    } catch {
      problems.push(`${name}_FILE: the file cannot be read`);
    }
  }
  return given;
}
