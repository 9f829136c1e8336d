import { createRequire } from 'node:module';
import { MissingDriverError } from '../../errors';

const requireFromHere = createRequire(__filename);

/**
 * Loads an optional package when a target of its kind is opened, and not before: who does not use a broker pays nothing
 * for it.
 * @throws MissingDriverError (not retryable) with the one line that says what to install
 */
export function loadDriver<Module>(packageName: string, kind: string): Module {
  try {
    return requireFromHere(packageName) as Module;
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new MissingDriverError(
      `A target of kind ${kind} needs the package ${packageName}, which is not installed. Run: npm install ${packageName}`,
    );
  }
}
