import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { columnMajor, marginsOf, predictTrees } from '@serin/inference/trees/predict';

import { syntheticRows } from '../bench/trees/data.ts';
import { auc, everyRow } from '../evaluate/ranking.ts';
import type { TrainingDataError } from '../data/problems.ts';
import { boost } from './boost.ts';
import { alone } from './crew.ts';
import { prepareJob } from './prepared-job.ts';
import type { TreeJob } from './tree-job.ts';
import { featuresOf, type FeatureColumn, type FeatureMatrix } from './feature-matrix.ts';
import { dismissIdleThreads } from './thread-pool.ts';
import { trainTrees, type TrainTreesOptions } from './train-trees.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'serin-trees-'));
});
afterAll(async () => {
  await dismissIdleThreads();
  await rm(root, { recursive: true, force: true });
});

const train = syntheticRows(2000, 'train');
const validation = syntheticRows(1000, 'validation');
const options = (more: Partial<TrainTreesOptions> = {}): TrainTreesOptions => ({
  ...train,
  objective: { kind: 'binary' },
  options: { trees: 20, leavesMax: 12 },
  seed: 1,
  threads: 1,
  ...more,
});

const numbers = (columns: Record<string, ArrayLike<number>>): FeatureMatrix => {
  const all = Object.values(columns);
  const rows = all[0]?.length ?? 0;
  const values = new Float32Array(rows * all.length);
  all.forEach((column, index) => values.set(Array.from(column), index * rows));
  return { rows, columns: Object.keys(columns).map((name): FeatureColumn => ({ kind: 'number', name })), values };
};

describe('the trees', () => {
  test('are the same with any number of threads, whatever they sample', async () => {
    for (const more of [{}, { rowShare: 0.6, featureShare: 0.5 }, { l2: 3, depthMax: 3, binsMax: 17 }]) {
      const digests = await Promise.all(
        [1, 2, 3].map(
          async (threads) => (await trainTrees(options({ threads, validation, options: { trees: 6, leavesMax: 15, leafRowsMin: 5, ...more } }))).digest,
        ),
      );
      expect(new Set(digests).size).toBe(1);
    }
  });

  test('are the same with any number of threads where leaves are large enough to be parted together', async () => {
    const many = syntheticRows(12_000, 'many');
    const digestOf = async (threads: number): Promise<string> =>
      (await trainTrees({ ...many, objective: { kind: 'binary' }, options: { trees: 2, leavesMax: 10 }, seed: 1, threads })).digest;
    const expected = await digestOf(1);
    for (const threads of [2, 3]) expect(await digestOf(threads)).toBe(expected);
  });

  test('are the same with memory for two histograms only', () => {
    const treesOf = (more: Partial<TreeJob>) => {
      const job = prepareJob(options({ options: { trees: 4, leavesMax: 31, leafRowsMin: 5 } }), 1);
      return Array.from(boost({ ...job, ...more }, alone), ({ trees }) => trees);
    };
    expect(treesOf({ histogramBytesMax: 1 })).toEqual(treesOf({}));
  });

  test('differ by the seed only where something is drawn', async () => {
    const digestOf = async (seed: number, rowShare: number): Promise<string> => (await trainTrees(options({ seed, options: { trees: 3, rowShare } }))).digest;
    expect(await digestOf(1, 1)).toBe(await digestOf(2, 1));
    expect(await digestOf(1, 0.5)).not.toBe(await digestOf(2, 0.5));
    expect(await digestOf(1, 0.5)).toBe(await digestOf(1, 0.5));
  });

  test('tell yes from no on rows they have not seen', async () => {
    const { ensemble, history } = await trainTrees(options({ options: { trees: 80 } }));
    const { rows, values } = validation.features;
    const answers = predictTrees(ensemble, columnMajor(values, rows), rows);
    const scores = Float64Array.from(validation.labels, (_, row) => answers[row * 2 + 1] as number);
    expect(auc(scores, validation.labels)(everyRow(rows))).toBeGreaterThan(0.8);
    expect(history.map(({ train: loss }) => loss)).toEqual(history.map(({ train: loss }) => loss).toSorted((a, b) => b - a));
  });

  test('have leaves of enough rows, as many leaves as they may and no more depth', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 2, max: 20 }),
        fc.integer({ min: 0, max: 4 }),
        async (leafRowsMin, leavesMax, depthMax) => {
          const { ensemble } = await trainTrees({
            ...syntheticRows(400, leafRowsMin),
            objective: { kind: 'binary' },
            options: { trees: 3, leafRowsMin, leavesMax, depthMax },
            seed: 1,
            threads: 1,
          });
          const depths = new Int32Array(ensemble.feature.length);
          ensemble.feature.forEach((feature, node) => {
            if (feature < 0) expect(ensemble.cover[node]).toBeGreaterThanOrEqual(leafRowsMin);
            else depths[node + 1] = depths[ensemble.right[node] as number] = (depths[node] as number) + 1;
          });
          if (depthMax > 0) expect(Math.max(...depths)).toBeLessThanOrEqual(depthMax);
          for (const [tree, from] of ensemble.roots.subarray(0, -1).entries()) {
            const leaves = ensemble.feature.subarray(from, ensemble.roots[tree + 1]).filter((feature) => feature < 0).length;
            expect(leaves).toBeLessThanOrEqual(leavesMax);
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  test('lead training rows to the leaves that were made of them, also rows that lie on a threshold', async () => {
    // Few different numbers that single precision cannot hold: every threshold lies between two neighbours.
    const random = seededRandom(3);
    const x = Float64Array.from({ length: 600 }, () => 0.1 * random.integer(12) + (random.uniform() < 0.1 ? Number.NaN : 0));
    const features = numbers({ x });
    const labels = Float64Array.from(features.values, (value) => (Number.isNaN(value) ? 5 : Math.sin(value * 9)));
    const { ensemble, history } = await trainTrees({
      features,
      labels,
      objective: { kind: 'regression' },
      options: { trees: 60, rate: 0.5, leafRowsMin: 1 },
      seed: 1,
      threads: 1,
    });
    const margins = marginsOf(ensemble, columnMajor(features.values, features.rows), features.rows);
    const loss = margins.reduce((sum, margin, row) => sum + (margin - (labels[row] as number)) ** 2, 0) / labels.length;
    expect(loss).toBeCloseTo(history.at(-1)?.train ?? Number.NaN, 9);
    expect(loss).toBeLessThan(1e-6);
  });
});

describe('a split', () => {
  const one = (more: Partial<TrainTreesOptions>): Promise<Float64Array> =>
    trainTrees(
      options({
        options: { trees: 1, rate: 1, leavesMax: 2, leafRowsMin: 1, levelRowsMin: 1, categoryL2: 0, categorySmoothing: 0 },
        objective: { kind: 'regression' },
        ...more,
      }),
    ).then(({ ensemble }) => {
      const { rows, values } = more.features ?? train.features;
      return marginsOf(ensemble, columnMajor(values, rows), rows);
    });

  test('is the best there is, by trying all', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: -20, max: 20 })), { minLength: 4, maxLength: 40 }),
        async (pairs) => {
          const x = pairs.map(([value]) => value);
          const y = pairs.map(([, label]) => label);
          const spread = (labels: readonly number[]): number => {
            const mean = labels.reduce((sum, each) => sum + each, 0) / Math.max(1, labels.length);
            return labels.reduce((sum, each) => sum + (each - mean) ** 2, 0);
          };
          const errors = [...new Set(x)].map(
            (bound) => spread(y.filter((_, row) => (x[row] as number) <= bound)) + spread(y.filter((_, row) => (x[row] as number) > bound)),
          );
          const margins = await one({ features: numbers({ x }), labels: y });
          const error = margins.reduce((sum, margin, row) => sum + (margin - (y[row] as number)) ** 2, 0);
          expect(error).toBeLessThan(Math.min(...errors) + 1e-3);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('sends missing values where they belong, and learns from their being missing alone', async () => {
    const x = [1, 2, 3, 4, Number.NaN, Number.NaN, 7, 8];
    expect(Array.from(await one({ features: numbers({ x }), labels: [0, 0, 0, 0, 9, 9, 9, 9] }), Math.round)).toEqual([0, 0, 0, 0, 9, 9, 9, 9]);
    expect(Array.from(await one({ features: numbers({ x }), labels: [9, 9, 9, 9, 9, 9, 0, 0] }), Math.round)).toEqual([9, 9, 9, 9, 9, 9, 0, 0]);
    expect(Array.from(await one({ features: numbers({ x }), labels: [0, 0, 0, 0, 9, 9, 0, 0] }), Math.round)).toEqual([0, 0, 0, 0, 9, 9, 0, 0]);
  });

  test('parts the levels of a category in any way, and takes a level nobody has seen for missing', async () => {
    const levels = ['a', 'b', 'c', 'd', 'e'];
    const codes = [0, 1, 2, 3, 0, 1, 2, 3, Number.NaN, Number.NaN];
    const labels = [9, 0, 9, 0, 9, 0, 9, 0, 9, 9];
    const features: FeatureMatrix = { rows: 10, columns: [{ kind: 'category', name: 'c', levels }], values: Float32Array.from(codes) };
    const { ensemble } = await trainTrees({
      features,
      labels,
      objective: { kind: 'regression' },
      options: { trees: 1, rate: 1, leafRowsMin: 1, levelRowsMin: 1, leavesMax: 2 },
      seed: 1,
      threads: 1,
    });
    const margins = marginsOf(ensemble, columnMajor(Float32Array.of(0, 1, 2, 3, Number.NaN, 4, 5, -1), 8), 8);
    expect(Array.from(margins, Math.round)).toEqual([9, 0, 9, 0, 9, 9, 9, 9]);
  });
});

describe('objectives', () => {
  test('several classes are told apart', async () => {
    const random = seededRandom(8);
    const x = Float64Array.from({ length: 900 }, () => random.between(0, 3));
    const features = numbers({ x, noise: Float64Array.from(x, () => random.normal()) });
    const { ensemble } = await trainTrees({
      features,
      labels: x.map(Math.floor),
      objective: { kind: 'multi-class', classes: 3 },
      options: { trees: 30 },
      seed: 1,
      threads: 2,
    });
    const answers = predictTrees(ensemble, columnMajor(features.values, features.rows), features.rows);
    const right = x.filter((value, row) => (answers[row * 3 + Math.floor(value)] as number) > 0.8).length;
    expect(right).toBeGreaterThan(880);
  });

  test('the absolute error finds medians, which outliers do not move', async () => {
    const random = seededRandom(9);
    const x = Float64Array.from({ length: 500 }, (_, row) => row % 2);
    const labels = x.map((value) => value * 10 + (random.uniform() < 0.2 ? 1000 : random.between(-1, 1)));
    const answer = async (loss: 'squared' | 'absolute' | 'huber'): Promise<number> => {
      const { ensemble } = await trainTrees({
        features: numbers({ x }),
        labels,
        objective: { kind: 'regression', loss },
        options: { trees: 40, rate: 0.3 },
        seed: 1,
        threads: 1,
      });
      return marginsOf(ensemble, columnMajor(Float32Array.of(1), 1), 1)[0] as number;
    };
    expect(Math.abs((await answer('absolute')) - 10)).toBeLessThan(1.5);
    expect(await answer('squared')).toBeGreaterThan(100);
    expect(await answer('huber')).toBeLessThan(await answer('squared'));
  });

  test('rows count by their weights, a weight of two like two rows, and of balanced classes each counts as much', async () => {
    const x = Float64Array.from({ length: 60 }, (_, row) => row % 7);
    const labels = x.map((value) => (value * 5) % 3);
    const weights = x.map((_, row) => 1 + (row % 2));
    const twice = Array.from(x.keys()).flatMap((row) => (row % 2 === 1 ? [row, row] : [row]));
    const settings = { objective: { kind: 'regression' }, options: { trees: 4, leafRowsMin: 1, leavesMax: 5 }, seed: 1, threads: 1 } as const;
    const weighted = await trainTrees({ features: numbers({ x }), labels, weights, ...settings });
    const repeated = await trainTrees({
      features: numbers({ x: twice.map((row) => x[row] as number) }),
      labels: twice.map((row) => labels[row] as number),
      ...settings,
    });
    const margins = [weighted, repeated].map(({ ensemble }) =>
      marginsOf(
        ensemble,
        columnMajor(
          Float32Array.from({ length: 7 }, (_, value) => value),
          7,
        ),
        7,
      ),
    );
    margins[0]?.forEach((margin, at) => expect(margin).toBeCloseTo(margins[1]?.[at] as number, 4));

    const rare = Float64Array.from({ length: 1000 }, (_, row) => (row % 100 === 0 ? 1 : 0));
    const noise = numbers({ x: rare.map((_, row) => (row * 37) % 11) });
    const { ensemble } = await trainTrees({
      features: noise,
      labels: rare,
      objective: { kind: 'binary' },
      options: { trees: 1, classWeights: 'balanced' },
      seed: 1,
      threads: 1,
    });
    expect(ensemble.base[0]).toBeCloseTo(0, 6);
  });
});

describe('a run', () => {
  test('ends when the validation set says so, and keeps the best', async () => {
    const noise = syntheticRows(400, 'noise');
    const { ensemble, history, bestIteration, stopped } = await trainTrees({
      ...noise,
      validation: syntheticRows(400, 'other noise'),
      objective: { kind: 'binary' },
      options: { trees: 200, rate: 0.5, patience: 5 },
      seed: 1,
      threads: 1,
    });
    expect(stopped).toBe('early');
    expect(history.length).toBe(bestIteration + 5);
    const losses = history.map((point) => point.validation ?? Number.NaN);
    expect(losses[bestIteration - 1]).toBe(Math.min(...losses));
    expect(ensemble.roots.length - 1).toBe(bestIteration);
  });

  test('ends when there is nothing left to split', async () => {
    const { history } = await trainTrees({
      features: numbers({ x: [1, 1, 1, 1] }),
      labels: [1, 2, 3, 4],
      objective: { kind: 'regression' },
      options: { leafRowsMin: 1 },
      seed: 1,
      threads: 1,
    });
    expect(history.length).toBe(1);
  });

  test('goes on from its checkpoint to the same trees, wherever it was stopped and with other threads', async () => {
    const settings = options({ validation, options: { trees: 12, leavesMax: 8, rowShare: 0.7, patience: 6 } });
    const whole = await trainTrees(settings);
    for (const [stopAt, threads] of [
      [1, 1],
      [7, 2],
    ] as const) {
      const folder = path.join(root, `run ${stopAt}`);
      const stop = new Error('stopped here');
      const onProgress = ({ iteration }: { iteration: number }): void => {
        if (iteration === stopAt + 1) throw stop;
      };
      await expect(trainTrees({ ...settings, checkpoint: { folder, everySteps: 1 }, onProgress })).rejects.toBe(stop);
      const rest = await trainTrees({ ...settings, threads, checkpoint: { folder, everySteps: 1 } });
      expect(rest.resumedFrom).toBe(stopAt);
      expect([rest.digest, rest.history]).toEqual([whole.digest, whole.history]);
      await expect(trainTrees({ ...settings, seed: 2, checkpoint: { folder, everySteps: 1 } })).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
    }
  });

  test('is cancelled within an iteration, in threads and without', async () => {
    for (const threads of [1, 2]) {
      const cancel = new AbortController();
      let last = 0;
      const run = trainTrees(
        options({
          threads,
          options: { trees: 5000 },
          signal: cancel.signal,
          onProgress: ({ iteration }) => {
            last = iteration;
            if (iteration === 3) cancel.abort();
          },
        }),
      );
      await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(last).toBeLessThan(5000);
    }
  });

  test('that follows another, or one that was cancelled or failed among its threads, grows the same trees', async () => {
    const settings = options({ threads: 2, options: { trees: 4, leavesMax: 8 } });
    const { digest } = await trainTrees({ ...settings, threads: 1 });
    expect((await trainTrees(settings)).digest).toBe(digest);
    const stop = new Error('stopped here');
    const stopped = trainTrees({
      ...settings,
      options: { trees: 500 },
      onProgress: () => {
        throw stop;
      },
    });
    await expect(stopped).rejects.toBe(stop);
    const together = await Promise.all([trainTrees(settings), trainTrees(settings), trainTrees({ ...settings, threads: 3 })]);
    expect(together.map((each) => each.digest)).toEqual([digest, digest, digest]);
  });

  test('says which features won how much', async () => {
    const random = seededRandom(2);
    const x = Float64Array.from({ length: 500 }, () => random.normal());
    const { importance } = await trainTrees({
      features: numbers({ noise: x.map(() => random.normal()), x, constant: x.map(() => 1) }),
      labels: x.map((value) => value * 2),
      objective: { kind: 'regression' },
      options: { trees: 5 },
      seed: 1,
      threads: 1,
    });
    expect(importance[0]?.name).toBe('x');
    expect(importance.find(({ name }) => name === 'constant')).toEqual({ name: 'constant', gain: 0, splits: 0 });
    expect(importance.reduce((sum, { gain }) => sum + gain, 0)).toBeCloseTo(1, 9);
  });
});

describe('bad input', () => {
  test('is refused at once, by row', async () => {
    const features = numbers({ x: [1, 2, 3, 4] });
    const run = trainTrees({ features, labels: [0, 2, Number.NaN, 1], weights: [1, -1, 1, 1], objective: { kind: 'binary' }, seed: 1, threads: 1 });
    const error = await run.then(
      () => undefined,
      (thrown: unknown) => thrown as TrainingDataError,
    );
    expect(error?.problems.map(({ file, at }) => [file, at])).toEqual([
      ['labels', 'row 2'],
      ['labels', 'row 3'],
      ['weights', 'row 2'],
    ]);
  });

  test('of an option is named with its range', async () => {
    for (const wrong of [{ leavesMax: 1 }, { binsMax: 256 }, { rowShare: 0 }, { trees: 1.5 }, { rate: Number.NaN }, { classWeights: [1] }]) {
      await expect(trainTrees(options({ options: wrong }))).rejects.toMatchObject({
        code: 'BAD_REQUEST',
        detail: expect.stringMatching(new RegExp((Object.keys(wrong)[0] ?? '').replace('W', ' w'))),
      });
    }
  });

  test('of a table is a column of another kind or none at all', () => {
    const table = { rows: 2, columns: [{ kind: 'category', name: 'c', levels: ['x', 'y'], codes: Int32Array.of(1, -1) }] } as const;
    const columns: FeatureColumn[] = [{ kind: 'category', name: 'c', levels: ['z', 'y'] }];
    expect(Array.from(featuresOf(table, columns).values)).toEqual([1, Number.NaN]);
    expect(() =>
      featuresOf(table, [
        { kind: 'number', name: 'c' },
        { kind: 'number', name: 'd' },
      ]),
    ).toThrow(/2 problems/);
  });
});
