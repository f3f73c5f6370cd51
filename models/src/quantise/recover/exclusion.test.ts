import fc from 'fast-check';
import { expect, test } from 'vitest';

import { chooseExclusion, shrinkExclusion, type ExclusionOptions } from './exclusion.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Layers that each lose something; what is left in float loses nothing. */
const losing = (losses: Readonly<Record<string, number>>, budget: number, rest: Partial<ExclusionOptions<number>> = {}): ExclusionOptions<number> => ({
  ranked: Object.keys(losses).toSorted((a, b) => (losses[b] ?? 0) - (losses[a] ?? 0)),
  share: () => 0.01,
  shareMax: 1,
  trialsMax: 100,
  judge: async (set) =>
    Object.entries(losses)
      .filter(([name]) => !set.has(name))
      .reduce((sum, [, loss]) => sum + loss, 0),
  suffices: (loss) => loss <= budget,
  isBetter: (loss, than) => loss < than,
  ...rest,
});

test('the smallest prefix of a ranking is found', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 }), fc.nat(1000), async (values, budget) => {
      const losses = Object.fromEntries(values.map((value, index) => [names[index] ?? '', value]));
      const options = losing(losses, budget);
      const found = await chooseExclusion(options);
      const needed = options.ranked.findIndex((_, index) => options.ranked.slice(index).reduce((sum, name) => sum + (losses[name] ?? 0), 0) <= budget);
      const count = needed === -1 ? values.length : Math.max(1, needed);
      // None at all suffices only where nothing was lost to begin with.
      if (needed === 0) expect(found?.names.size).toBe(0);
      else expect(found?.names.size).toBe(count);
      expect(options.suffices(found?.outcome ?? Infinity)).toBe(true);
    }),
  );
});

test('what was left out for nothing comes back into 8 bits, the most work first', async () => {
  // The ranking puts two harmless layers before the one that matters.
  const options = losing({ a: 0, b: 0, c: 9 }, 1, { ranked: ['a', 'b', 'c'], share: (name) => (name === 'a' ? 0.1 : 0.2) });
  const found = await chooseExclusion(options);
  expect([...(found?.names ?? [])]).toEqual(['c']);
  const shrunk = await shrinkExclusion({ ...options, suffices: (loss) => loss <= 9, trialsMax: 1 }, { names: new Set(['a', 'b']), outcome: 9 });
  expect([...shrunk.names]).toEqual(['a']);
});

test('no more work stays in float than allowed, and one that is too much does not keep out the next', async () => {
  const found = await chooseExclusion(losing({ a: 9, b: 5, c: 1 }, 0, { share: (name) => (name === 'a' ? 0.5 : 0.1), shareMax: 0.3 }));
  expect([...(found?.names ?? [])].toSorted()).toEqual(['b', 'c']);
  expect(found?.outcome).toBe(9);
});

test('where nothing suffices the best is kept, within the number of trials', async () => {
  const found = await chooseExclusion(losing({ a: 9, b: 5, c: 1, d: 1 }, -1, { trialsMax: 2 }));
  expect(found).toMatchObject({ outcome: 2, trials: 2 });
  expect(await chooseExclusion(losing({}, 0))).toBeUndefined();
});
