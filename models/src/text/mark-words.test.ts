import fc from 'fast-check';
import { expect, test } from 'vitest';

import { markWords } from './mark-words.ts';

const shareOf = (text: string, word: string, share: number) => ({ field: 'text', start: text.indexOf(word), end: text.indexOf(word) + word.length, share });

test('the strongest words are marked with what they add', () => {
  const text = 'win free\nmoney today';
  const shares = [shareOf(text, 'win', 0.2), shareOf(text, 'free', 1.234), shareOf(text, 'money', -0.5), shareOf(text, 'today', 0.001)];
  expect(markWords(text, shares, { wordsMax: 2 })).toBe('win [free +1.23] [money -0.50] today');
  expect(markWords(text, shares)).toBe('[win +0.20] [free +1.23] [money -0.50] today');
});

test('of a long text the part around the first marked word is shown', () => {
  const text = `${'before '.repeat(100)}here${' after'.repeat(100)}`;
  const line = markWords(text, [shareOf(text, 'here', 1)], { unitsMax: 100 });
  expect(line).toMatch(/^\.\.\. .*\[here \+1\.00\].* \.\.\.$/);
  expect(line.length).toBeLessThan(130);
});

test('without the marks it is the text', () => {
  const spans = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 5 }), fc.double({ min: -2, max: 2, noNaN: true })), { maxLength: 6 });
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 36, maxLength: 60 }), spans, (text, drawn) => {
      const shares = drawn
        .map(([start, length, share]) => ({ field: 'text', start, end: start + length, share }))
        .toSorted((one, other) => one.start - other.start);
      expect(markWords(text, shares).replace(/\[([abc]*) [+-]?[\d.]+\]/g, '$1')).toBe(text);
    }),
  );
});
