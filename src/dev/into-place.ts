import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { isExecutableFile } from './commands';

/**
 * Makes a program's directory as a whole or not at all: it is filled beside its place and renamed when complete, so
 * an interruption leaves nothing half that a later run would take for whole.
 * @param target - the program; its directory is replaced
 * @param fill - puts the program, under its own name, into the directory it is given; returns why it could not
 * @returns undefined when the program is at its target, otherwise why it is not
 */
export async function intoPlace(
  target: string,
  fill: (partial: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  const directory = path.dirname(target);
  await mkdir(path.dirname(directory), { recursive: true });
  const partial = await mkdtemp(`${directory}.partial-`);
  try {
    const failure = await fill(partial);
    if (failure !== undefined) return failure;
    if (!(await isExecutableFile(path.join(partial, path.basename(target))))) return 'no program came of it';
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
    return undefined;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
