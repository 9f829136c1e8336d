import { encodeForm } from '../../src/channels/twilio-form';

describe('a form for Twilio', () => {
  it('keeps every text as it is', () => {
    const texts = ['', ' ', '+1 415', 'a=b&c=d', "!'()*~-._", '100 %', 'Grüße', '👩‍👩‍👧 €', 'two\r\nlines', '\0'];

    expect(new URLSearchParams(encodeForm({ Body: texts })).getAll('Body')).toEqual(texts);
  });

  it('repeats the name for each of many, encodes it, and has none for what is not there', () => {
    expect(encodeForm({ 'DateSent>': '2026', Url: ['a', 'b'], None: [], Unknown: undefined, Last: 1 })).toBe(
      'DateSent%3E=2026&Url=a&Url=b&Last=1',
    );
  });

  it('sends half a surrogate pair as the replacement character', () => {
    expect(encodeForm({ Body: 'a\ud83d' })).toBe('Body=a%EF%BF%BD');
  });

  it.each([[{}], [() => 'x'], [[['x']]], [new Date(0)]])('refuses %p, which no form holds', (value) => {
    expect(() => encodeForm({ Body: value })).toThrow(TypeError);
  });
});
