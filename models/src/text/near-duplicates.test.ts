import { seededRandom, shuffle } from '@serin/inference/random';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { groupNearDuplicates } from './near-duplicates.ts';

const random = seededRandom('texts');
const randomText = (length: number): Int32Array => Int32Array.from({ length }, () => random.bits());
const changed = (text: Int32Array, places: number): Int32Array => {
  const copy = text.slice();
  for (let index = 0; index < places; index += 1) copy[random.integer(copy.length)] = random.bits();
  return copy;
};

test('copies with a few words changed share a group, other texts have one of their own', () => {
  const originals = Array.from({ length: 40 }, () => randomText(200));
  const texts = originals.flatMap((text) => [text, changed(text, 4), changed(text, 4), text.slice(0, 190)]);
  const groups = groupNearDuplicates(texts);
  originals.forEach((_, index) => expect(new Set(groups.subarray(4 * index, 4 * index + 4)).size).toBe(1));
  expect(new Set(groups).size).toBe(originals.length);
});

test('a group is named after its first text', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { minLength: 1, maxLength: 30 }), (names) => {
      const kinds = Array.from({ length: 6 }, (_, kind) => Int32Array.from({ length: 30 }, (__, place) => kind * 1000 + place));
      const groups = groupNearDuplicates(names.map((name) => kinds[name] as Int32Array));
      expect(Array.from(groups)).toEqual(names.map((name) => names.indexOf(name)));
    }),
  );
});

test('which texts belong together does not depend on their order', () => {
  const texts = Array.from({ length: 30 }, () => randomText(100)).flatMap((text) => [text, changed(text, 2)]);
  const order = shuffle(
    seededRandom(1),
    Int32Array.from({ length: texts.length }, (_, index) => index),
  );
  const groups = groupNearDuplicates(texts);
  const shuffled = groupNearDuplicates(Array.from(order, (index) => texts[index] as Int32Array));
  const together = (own: Int32Array, one: number, other: number): boolean => own[one] === own[other];
  for (let one = 0; one < texts.length; one += 1) {
    for (let other = 0; other < one; other += 1) {
      expect(together(shuffled, one, other)).toBe(together(groups, order[one] as number, order[other] as number));
    }
  }
});

test('short texts are together when they are equal, and so are empty ones', () => {
  const texts = [[1], [1], [2], [], [], [1, 2]].map((words) => Int32Array.from(words));
  expect(Array.from(groupNearDuplicates(texts))).toEqual([0, 0, 2, 3, 3, 5]);
});

test('texts that are alike through others between them are together, in whatever order they come', () => {
  const chains = Array.from({ length: 6 }, () => {
    const chain = [randomText(200)];
    for (let link = 1; link < 12; link += 1) chain.push(changed(chain.at(-1) as Int32Array, 3));
    return chain;
  });
  const texts = chains.flat();
  const order = Array.from(
    shuffle(
      seededRandom(2),
      Int32Array.from({ length: texts.length }, (_, index) => index),
    ),
  );
  const groups = groupNearDuplicates(order.map((index) => texts[index] as Int32Array));
  chains.forEach((_, chain) => expect(new Set(order.flatMap((index, place) => (Math.floor(index / 12) === chain ? [groups[place]] : []))).size).toBe(1));
  expect(new Set(groups).size).toBe(chains.length);
});
