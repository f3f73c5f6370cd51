import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { answerWidth, predictTrees, rowMajor } from '@serin/inference/trees/predict';

import { checkModel } from '../onnx/check.ts';
import { inferModel } from '../onnx/infer-model.ts';
import type { Tensor } from '../onnx/graph.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { runModel } from '../onnx/session.ts';
import { exportTrees } from './export-trees.ts';
import { randomEnsemble, randomRows } from '@serin/inference/trees/testing/random-ensemble';

const links = fc.constantFrom(['identity', 1] as const, ['logistic', 1] as const, ['softmax', 3] as const);

test('the runtime answers as the trees do, at thresholds to the last bit, for what is missing and for levels nobody has seen', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      links,
      fc.array(fc.constantFrom(0, 0, 2, 5, 31, 32, 33, 64, 65, 200), { minLength: 1, maxLength: 6 }),
      async (seed, [link, outputs], levels) => {
        const random = seededRandom(seed);
        const trees = randomEnsemble(random, { link, outputs, levels, trees: random.integer(8), leavesMax: 12 });
        const rows = 1 + random.integer(40);
        const values = randomRows(random, levels, rows);
        const model = checkModel(readModel(writeModel(exportTrees(trees))));
        const answers = await runModel(model, new Map([['features', { type: 'float32', dims: [rows, levels.length], data: values }]]));
        const answer = answers.get(link === 'identity' ? 'value' : 'probabilities') as Tensor;
        expect(answer.dims).toEqual([rows, answerWidth(trees)]);
        expect(inferModel(model, { otherwise: rows }).types.get(link === 'identity' ? 'value' : 'probabilities')?.dims).toEqual(answer.dims);
        const expected = predictTrees(trees, rowMajor(values, levels.length), rows);
        (answer.data as Float32Array).forEach((found, at) =>
          expect(Math.abs(found - (expected[at] as number))).toBeLessThan(1e-5 * Math.max(1, Math.abs(found))),
        );
      },
    ),
    { numRuns: 60 },
  );
});
