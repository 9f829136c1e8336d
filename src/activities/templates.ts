import type { Pool } from '../database/pool';
import { readTemplateVersion } from '../database/templates';
import type { TemplateDefinition } from '../domain/templates';

/** The words of notifications. A version never changes, so each is read once. */
export interface TemplateBook {
  get(name: string, version: number): Promise<TemplateDefinition>;
}

/** Versions that are kept; the oldest one goes. A definition has some kilobytes. */
const KEPT_MAX = 1_000;

export function createTemplateBook(pool: Pool): TemplateBook {
  const kept = new Map<string, TemplateDefinition>();
  return {
    async get(name, version) {
      const key = `${name}@${version}`;
      const known = kept.get(key);
      if (known !== undefined) return known;
      const read = await readTemplateVersion(pool, name, version);
      if (read === null) throw new RangeError(`there is no version ${version} of ${name}`);
      if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value!);
      kept.set(key, read);
      return read;
    },
  };
}
