/*
 * By shape and not by instanceof: Jest runs tests in a realm of their own, where the errors of Node's file system are
 * no instances of the test's Error.
 */

/** The code of a system error, such as ENOENT; undefined for any other thrown value. */
export function errorCode(error: unknown): string | undefined {
  const code = member(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** What to show a person about a thrown value. */
export function errorMessage(error: unknown): string {
  const message = member(error, 'message');
  return typeof message === 'string' && message !== '' ? message : String(error);
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}
