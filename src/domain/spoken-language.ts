/**
 * What Twilio's voices speak. With any other value a call is answered and nothing is said. The first of a language speaks
 * for those of its regions that are not here, and for the language when its main region is not.
 * Source: Twilio, "Text-to-Speech", available languages, and the package's type, but for the names that BCP 47 writes in
 * another way (`cmn`, `arb`, `en-GB-WLS`).
 */
const SPOKEN_LANGUAGES = [
  ...['af-ZA', 'am-ET', 'ar-XA', 'ar-AE', 'bg-BG', 'bn-IN', 'ca-ES', 'cs-CZ', 'cy-GB', 'da-DK', 'de-DE'],
  ...['de-AT', 'el-GR', 'en-US', 'en-GB', 'en-AU', 'en-CA', 'en-IE', 'en-IN', 'en-NZ', 'en-ZA', 'es-ES'],
  ...['es-MX', 'es-US', 'fi-FI', 'fil-PH', 'fr-FR', 'fr-BE', 'fr-CA', 'gu-IN', 'he-IL', 'hi-IN', 'hu-HU'],
  ...['id-ID', 'is-IS', 'it-IT', 'ja-JP', 'kn-IN', 'ko-KR', 'lv-LV', 'ml-IN', 'mr-IN', 'ms-MY', 'nb-NO'],
  ...['nl-NL', 'nl-BE', 'pa-IN', 'pl-PL', 'pt-BR', 'pt-PT', 'ro-RO', 'ru-RU', 'sk-SK', 'sr-RS', 'sv-SE'],
  ...['ta-IN', 'te-IN', 'th-TH', 'tr-TR', 'uk-UA', 'vi-VN', 'yue-HK', 'zh-CN', 'zh-HK', 'zh-TW'],
] as const;

export type SpokenLanguage = (typeof SPOKEN_LANGUAGES)[number];

/** Norwegian without a form is Bokmål. Source: IANA language subtag registry, `no` is the macrolanguage of `nb`. */
const SPOKEN_FOR: Record<string, string> = { no: 'nb' };

/**
 * The voice for a language: this very one, or its most likely region's (`en` is `en-US`, `zh-Hant` is `zh-TW`), or the
 * first of the same language (`de-CH` is `de-DE`).
 * @param tag - BCP 47
 * @returns null when Twilio speaks no such language or the tag is none
 */
export function spokenLanguage(tag: string): SpokenLanguage | null {
  const locale = localeOf(tag);
  if (locale === null) return null;
  const language = SPOKEN_FOR[locale.language] ?? locale.language;
  const likely = `${language}-${locale.maximize().region ?? ''}`;
  return (
    SPOKEN_LANGUAGES.find((known) => known === likely) ??
    SPOKEN_LANGUAGES.find((known) => known.startsWith(`${language}-`)) ??
    null
  );
}

function localeOf(tag: string): Intl.Locale | null {
  try {
    return new Intl.Locale(tag);
  } catch {
    return null;
  }
}
