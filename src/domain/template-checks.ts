import { InvalidTemplateError, type FieldError } from '../errors';
import { problemsOfContent } from './content-rules';
import { spokenLanguage } from './spoken-language';
import type { TemplateContent, TemplateDefinition, TemplateName } from './templates';

/** Below a minute nothing is sent in time; after a week no news is news. Seconds. */
const EXPIRES_AFTER_SECONDS_MIN = 60;
const EXPIRES_AFTER_SECONDS_MAX = 604_800;
/** Some thirty languages on three channels. */
const CONTENTS_MAX = 100;
/** Mistakes that one answer names. */
const PROBLEMS_MAX = 20;

/**
 * Tests a definition before it is saved: every content is rendered with the longest values that its event can have.
 * @returns the definition with its language tags in canonical form, which is how they are compared
 * @throws InvalidTemplateError with the pointers of what is wrong
 */
export function checkTemplate(name: TemplateName, definition: TemplateDefinition): TemplateDefinition {
  const problems: FieldError[] = [...problemsOfWhole(definition), ...problemsOfContents(name, definition)];
  if (problems.length > 0) {
    throw new InvalidTemplateError('The template could not be sent as it is.', {
      fields: problems.slice(0, PROBLEMS_MAX),
    });
  }
  return {
    ...definition,
    defaultLanguage: canonicalLanguage(definition.defaultLanguage)!,
    contents: definition.contents.map((content) => ({
      ...content,
      language: canonicalLanguage(content.language)!,
    })),
  };
}

/**
 * A language tag as it is stored and compared, for instance `de-AT` for `de-at`.
 * @returns null when it is not well-formed BCP 47
 */
export function canonicalLanguage(tag: string): string | null {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? null;
  } catch {
    return null;
  }
}

function problemsOfWhole({
  expiresAfterSeconds,
  defaultLanguage,
  contents,
}: TemplateDefinition): FieldError[] {
  const problems: FieldError[] = [];
  const isWithin =
    Number.isInteger(expiresAfterSeconds) &&
    expiresAfterSeconds >= EXPIRES_AFTER_SECONDS_MIN &&
    expiresAfterSeconds <= EXPIRES_AFTER_SECONDS_MAX;
  if (!isWithin) {
    const message = `This must be a whole number from ${EXPIRES_AFTER_SECONDS_MIN} to ${EXPIRES_AFTER_SECONDS_MAX}.`;
    problems.push({ pointer: '/expiresAfterSeconds', message });
  }
  if (contents.length === 0 || contents.length > CONTENTS_MAX) {
    problems.push({ pointer: '/contents', message: `There must be 1 to ${CONTENTS_MAX} of them.` });
  }
  const language = canonicalLanguage(defaultLanguage);
  if (language === null) {
    problems.push({ pointer: '/defaultLanguage', message: 'This is no language tag (BCP 47).' });
  } else if (!contents.some((content) => canonicalLanguage(content.language) === language)) {
    problems.push({ pointer: '/defaultLanguage', message: 'No content is in this language.' });
  }
  return problems;
}

function problemsOfContents(name: TemplateName, { contents }: TemplateDefinition): FieldError[] {
  const seen = new Set<string>();
  return contents.slice(0, CONTENTS_MAX).flatMap((content, index) => {
    const problems = [...problemsOfPlace(content, seen), ...problemsOfContent(name, content)];
    return problems.map(({ pointer, message }) => ({ pointer: `/contents/${index}${pointer}`, message }));
  });
}

/** @param seen - languages and channels of the contents before this one; this one's are added */
function problemsOfPlace({ language, channel }: TemplateContent, seen: Set<string>): FieldError[] {
  const tag = canonicalLanguage(language);
  if (tag === null) return [{ pointer: '/language', message: 'This is no language tag (BCP 47).' }];
  if (channel === 'voice' && spokenLanguage(tag) === null)
    return [{ pointer: '/language', message: 'No voice speaks this language.' }];
  const place = `${tag} ${channel}`;
  const isDoubled = seen.has(place);
  seen.add(place);
  return isDoubled
    ? [{ pointer: '/language', message: 'Another content has this language and channel.' }]
    : [];
}
