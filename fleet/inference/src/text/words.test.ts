import fc from 'fast-check';
import { expect, test } from 'vitest';

import { normaliseText } from './normalise.ts';
import { splitWords } from './words.ts';

const unitsMax = 1_000_000;
const wordsOf = (text: string): string[] => splitWords(text, unitsMax, unitsMax).map((word) => word.text);

test.each([
  ['words are in lower case and keep their apostrophes', 'Don’t PANIC, it\'s "fine"', ["don't", 'panic', "it's", 'fine']],
  ['numbers are told by how many digits they have', '7 42 1,000.50 12:30', ['<number 1>', '<number 2>', '<number 6>', '<number 4>']],
  ['digits with letters are words', '3rd 2nite mp3', ['3rd', '2nite', 'mp3']],
  ['amounts are money, signs alone currency', '$1,000 100 € cash in £', ['<money>', '<money>', 'cash', 'in', '<currency>']],
  ['shares are percent', '50% 12.5 %', ['<percent>', '<percent>']],
  [
    'what an address of a page begins with is a mark, its words are words; an address of a person is a mark',
    'see https://www.shop.example/cheap?id=12 or www.x.org, mail a.b@c.co.uk!',
    ['see', '<url>', 'shop', 'example', 'cheap', 'id', '<number 2>', 'or', '<url>', 'x', 'org', 'mail', '<mail>', '<!>'],
  ],
  ['names and topics', '@someone said #fire', ['<mention>', 'said', 'fire']],
  ['runs of signs are kept up to three', 'NOW!!!! really?! *** -- ......', ['now', '<!!!>', 'really', '<?!>', '<***>', '<...>']],
  ['letters of scripts without spaces are words', '東京タワー ok', ['東', '京', 'タ', 'ワ', 'ー', 'ok']],
  ['pictures are words, whatever they are written with', '😀❤️👍🏽', ['😀', '❤', '👍']],
  ['wide and joined letters are what they stand for', 'ＦＲＥＥ ﬁve Ⅳ ①', ['free', 'five', 'iv', '<number 1>']],
  ['a letter and its mark are one, however they are written', 'cafe\u0301 caf\u00e9', ['caf\u00e9', 'caf\u00e9']],
  ['what is invisible does not part a word', 'fr\u200be\u00ade\u202e v\u2060i', ['free', 'vi']],
  ['half a surrogate pair parts words', 'a\ud800b \udc00', ['a', 'b']],
  ['the final sigma is a sigma', 'ΟΔΟΣ οδος', ['οδοσ', 'οδοσ']],
  ['Hangul in pieces is Hangul', '\u1112\u1161\u11ab 한', ['한', '한']],
  ['text from right to left has words in the order they are said', 'שלום עולם', ['שלום', 'עולם']],
  ['nothing has no words', ' \n\t…', ['<...>']],
])('%s', (_, text, expected) => {
  expect(wordsOf(text)).toEqual(expected);
});

/** Letters of many scripts, marks, signs and spaces. */
const mixed = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...Array.from("aZé \u0301\u0323ßİΣς’'!?.$€%@#:/-109_ﬁ①Ａ東カｶﾞ한ㄱㅏ\u1100\u1161\u200b\ufe0f😀❤\ud800\udc00א\u202e")),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }),
  ),
  maxLength: 200,
});

test('each word stands where it says, in order; only those made of one letter share its place', () => {
  fc.assert(
    fc.property(mixed, (text) => {
      let before = { start: 0, end: 0 };
      for (const word of splitWords(text, unitsMax, unitsMax)) {
        expect(word.start).toBeGreaterThanOrEqual(before.start);
        expect(word.end).toBeGreaterThanOrEqual(before.end);
        // One letter, such as ⑴, may be several words.
        if (word.start < before.end) expect(normaliseText(text.slice(word.start, before.end)).text.length).toBeGreaterThan(1);
        expect(word.end).toBeGreaterThan(word.start);
        expect(word.end).toBeLessThanOrEqual(text.length);
        expect(word.text.length).toBeGreaterThan(0);
        expect(word.text.length).toBeLessThanOrEqual(40);
        before = word;
      }
    }),
  );
});

test('a word cut out of its text is read as the same word', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('Free', 'Ünïted', 'ﬁve', '$5', '50%', '東', 'fr\u200bee', 'x@y.zz', '!!!', '12:30', '😀'), { maxLength: 20 }),
      (parts) => {
        const text = parts.join(' ');
        const words = splitWords(text, unitsMax, unitsMax);
        expect(words.length).toBe(parts.length);
        for (const { text: word, start, end } of words) expect(wordsOf(text.slice(start, end))).toEqual([word]);
      },
    ),
  );
});

test('a letter at a time gives the same compatibility form as the whole text', () => {
  const letters = fc.constantFrom(...Array.from('aeZé \u0301\u0323\u0308ßİﬁ①Ａｶﾞ한ㄱㅏ\u1100\u1161\u11a8ά\u0345½™'));
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 30 }), (text) => {
      expect(normaliseText(text).text).toBe(text.normalize('NFKC'));
    }),
  );
});

test('the first words of a text are those of the whole text', () => {
  fc.assert(
    fc.property(mixed, fc.nat(20), (text, most) => {
      expect(splitWords(text, unitsMax, most)).toEqual(splitWords(text, unitsMax, unitsMax).slice(0, most));
    }),
  );
});

/** Each of them once made such a pattern take hours, in one program or another. */
test.each([
  'a',
  '1',
  '1.',
  'a@',
  'a.',
  "a'",
  '!?',
  '$1',
  '1%',
  '\u0301',
  'e\u0301',
  '\ud800',
  '\u200b',
  '\u202eא',
  '😀',
  'www.',
  'http://',
  'ㅋ',
  '#$',
  '-',
  '12345678901234567890123 ',
])('hundreds of thousands of units of "%s" are read to their end', (piece) => {
  const text = piece.repeat(Math.ceil(unitsMax / piece.length));
  expect(splitWords(text, unitsMax, 1000).length).toBeLessThanOrEqual(1000);
  expect(splitWords(text, 100, unitsMax).every(({ end }) => end <= 100)).toBe(true);
});
