import fc from 'fast-check';
import { expect, test } from 'vitest';

import { isDamaged, isMissing, isPadded, numberOf, someTime, timeOf } from './cells.ts';

test('a number is what Number reads, and never what only looks like one', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(numberOf(String(value)) === value).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 0, max: 8 }), (value, decimals) => {
      const text = (value / 1e4).toFixed(decimals);
      expect(numberOf(` ${text} `)).toBe(Number(text));
    }),
  );
  for (const text of ['', '-', '.', '1.2.3', '1e', '0x10', '1_000', '1,5', '12 years', 'Infinit', '2024-01-01', 'e5']) expect(numberOf(text)).toBeNaN();
  expect([numberOf('+.5'), numberOf('5.'), numberOf('1e3'), numberOf('-inf'), numberOf('1180591620717411303424')]).toEqual([
    0.5,
    5,
    1000,
    Number.NEGATIVE_INFINITY,
    2 ** 70,
  ]);
});

test('any text at all is no number or the one that Number reads', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12, unit: fc.constantFrom('0', '1', '9', '.', '-', '+', 'e', ' ', 'x', 'i') }), (text) => {
      const value = numberOf(text);
      if (!Number.isNaN(value)) expect(value).toBe(Number(text));
      else if (text.trim() !== '') expect(Number.isNaN(Number(text)) || text.includes('x')).toBe(true);
    }),
  );
});

test.each(['', ' ', '      ', 'NA', 'n/a', 'NULL', 'NaN', 'None', '?', '-', '#N/A', '\\N'])('%j is a missing value', (text) =>
  expect(isMissing(text)).toBe(true),
);
test.each(['0', 'no', 'nano', 'Nantes', '--', 'x'])('%j is a value', (text) => expect(isMissing(text)).toBe(false));

test('times by ISO 8601 are read as Date reads them', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date('1000-01-01'), max: new Date('9999-01-01'), noInvalidDate: true }), (date) => {
      const seconds = Math.floor(date.getTime() / 1000) * 1000;
      expect(timeOf(date.toISOString())).toBe(seconds);
      expect(timeOf(date.toISOString().slice(0, 19).replace('T', ' '))).toBe(seconds);
      expect(timeOf(date.toISOString().slice(0, 10))).toBe(Math.floor(date.getTime() / 86_400_000) * 86_400_000);
    }),
  );
  expect(timeOf('2025-01-01T02:00:00+02:00')).toBe(timeOf('2025-01-01T00:00:00Z'));
  for (const text of ['31.12.2025', '12/31/2025 10:00 PM', '1-2-25']) expect(timeOf(text)).toBe(someTime);
  for (const text of ['2025-13-01', '2025', '12.5', '1.2', 'May 5', '2025-1', '123456', '10:00']) expect(timeOf(text)).toBeNaN();
});

test('letters that went through a wrong encoding are told from letters that are merely foreign', () => {
  for (const text of ['café', 'Straße', 'naïve', '€', '„gut“']) {
    expect(isDamaged(text)).toBe(false);
    const damaged = Buffer.from(text).toString('latin1');
    if (!text.startsWith('€') && !text.startsWith('„')) expect(isDamaged(damaged)).toBe(true);
  }
  for (const text of ['caf\ufffd', 'It\u00e2\u20ac\u2122s', 'SÃO PAULO'.replace('Ã', 'Ã£')]) expect(isDamaged(text)).toBe(true);
  for (const text of ['SÃO PAULO', 'Âge', 'Ça', 'MÃE']) expect(isDamaged(text)).toBe(false);
});

test('whole numbers that begin with zeros are codes', () =>
  expect([isPadded('007'), isPadded('0'), isPadded('0.5'), isPadded('70')]).toEqual([true, false, false, false]));
