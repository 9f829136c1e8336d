import { spokenLanguage } from '../../src/domain/spoken-language';

describe('the voice for a language', () => {
  it.each([
    ['de-AT', 'de-AT'],
    ['DE-at', 'de-AT'],
    ['en', 'en-US'],
    ['en-GB', 'en-GB'],
    ['de', 'de-DE'],
    ['de-CH', 'de-DE'],
    ['pt', 'pt-BR'],
    ['zh', 'zh-CN'],
    ['zh-Hant', 'zh-TW'],
    ['zh-Hant-HK', 'zh-HK'],
    ['cmn-TW', 'zh-TW'],
    ['no', 'nb-NO'],
    ['ar', 'ar-XA'],
    ['es-419', 'es-ES'],
    ['tl', 'fil-PH'],
  ])('of %s is %s', (tag, voice) => {
    expect(spokenLanguage(tag)).toBe(voice);
  });

  it.each(['sw', 'tlh', 'e', '', 'en_US', 'a language', '../en', `en-${'x'.repeat(5_000)}`])(
    'does not exist for "%s"',
    (tag) => {
      expect(spokenLanguage(tag)).toBeNull();
    },
  );
});
