import fc from 'fast-check';
import { expect, test } from 'vitest';

import { SerinError } from '@serin/protocol/errors';

import { seededRandom } from '../random.ts';
import { decodeTrees, encodeTrees } from './encode.ts';
import { createExplainer, explainRow } from './explain.ts';
import { predictTrees, rowMajor } from './predict.ts';
import { randomEnsemble, randomRows } from './testing/random-ensemble.ts';

const someTrees = (seed: number) => {
  const random = seededRandom(seed);
  const levels = Array.from({ length: 1 + random.integer(5) }, () => [0, 2, 33, 100][random.integer(4)] ?? 0);
  const [link, outputs] =
    (
      [
        ['identity', 1],
        ['logistic', 1],
        ['softmax', 4],
      ] as const
    )[random.integer(3)] ?? (['identity', 1] as const);
  return randomEnsemble(random, { link, outputs, levels, trees: random.integer(4), leavesMax: 10 });
};

test('trees come back from their file as they were', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const trees = someTrees(seed);
      const bytes = encodeTrees(trees);
      expect(decodeTrees(bytes)).toEqual(trees);
      // As a part of larger memory whose slices share it, the way Node reads files.
      class Shared extends Uint8Array {
        override slice(from = 0, to = this.length): Uint8Array<ArrayBuffer> {
          return this.subarray(from, to) as Uint8Array<ArrayBuffer>;
        }
      }
      const shared = new Shared(new ArrayBuffer(bytes.length + 12), 12, bytes.length);
      shared.set(bytes);
      expect(decodeTrees(shared)).toEqual(trees);
    }),
  );
});

test('a file that was tampered with is refused, or is trees that answer and explain', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.integer(), changes, fc.option(fc.nat()), (seed, bytesChanged, cut) => {
      const bytes = encodeTrees(someTrees(seed));
      for (const [at, value] of bytesChanged) bytes[at % bytes.length] = value;
      try {
        const trees = decodeTrees(cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
        const features = trees.levels.length;
        const rows = rowMajor(randomRows(seededRandom(seed), trees.levels, 2), features);
        predictTrees(trees, rows, 2);
        explainRow(createExplainer(trees), rows, 1, new Float64Array(features * trees.base.length));
      } catch (error) {
        expect(error).toBeInstanceOf(SerinError);
      }
    }),
    { numRuns: 1000 },
  );
});
