import { canonicalLanguage } from '../domain/template-checks';
import { InvalidValueError } from '../errors';

/**
 * A language tag of a body, in its canonical form.
 * @param pointer - where it stands in the body
 * @throws InvalidValueError for what is not well-formed BCP 47
 */
export function languageAt(pointer: string, tag: string): string {
  const language = canonicalLanguage(tag);
  if (language !== null) return language;
  const message = 'This is no language tag (BCP 47), such as en or de-AT.';
  throw new InvalidValueError(message, { fields: [{ pointer, message }] });
}
