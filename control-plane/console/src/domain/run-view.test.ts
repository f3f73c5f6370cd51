import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SliceReport, Trial } from '@serin/protocol/api/runs';
import {
  cachedWords,
  confusionShares,
  filterRuns,
  formatDifference,
  groupDifferences,
  groupSeries,
  groupSlices,
  intervalDomain,
  isBetter,
  keyMetric,
  metricNames,
  pairSeries,
  pickRun,
  searchedParameters,
  sliceVerdict,
  sortTrials,
  trialDots,
} from './run-view.ts';
import { makeRun } from './testing.ts';

describe('metrics', () => {
  test('the one that the pipeline names comes first, else the first of the usual ones', () => {
    const metrics = { f1: 0.5, auc: 0.8, logLoss: 0.4 };
    expect(keyMetric({ metrics, parameters: { 'evaluate.metric': 'logLoss' } })).toBe('logLoss');
    expect(metricNames({ metrics, parameters: {} })).toEqual(['auc', 'f1', 'logLoss']);
    expect(keyMetric({ metrics, parameters: { 'evaluate.metric': 'rmse' } })).toBe('auc');
    expect(keyMetric({ metrics: {}, parameters: {} })).toBeNull();
  });

  test('losses get better downwards, everything else upwards', () => {
    expect([isBetter('auc', 0.1), isBetter('auc', -0.1), isBetter('logLoss', -0.1), isBetter('rmse', 0.1), isBetter('f1', 0)]).toEqual([
      true,
      false,
      true,
      false,
      null,
    ]);
  });

  test('differences carry their sign, shares in points', () => {
    expect([formatDifference('auc', 0.0061), formatDifference('accuracy', -0.012), formatDifference('logLoss', -0.166), formatDifference('auc', 0)]).toEqual([
      '+0.006',
      '−1.2 pt',
      '−0.166',
      '±0',
    ]);
    expect(formatDifference('auc', null)).toBe('–');
  });
});

test('stages that were left out do not count as stages of a run', () => {
  const stage = (name: 'ingest' | 'search' | 'train', state: 'cached' | 'skipped' | 'done') => ({ name, state, key: null, ms: null, words: '' });
  expect(cachedWords({ stages: [stage('ingest', 'cached'), stage('search', 'skipped'), stage('train', 'done')] })).toBe('1 of 2 stages was cached');
  expect(cachedWords({ stages: [stage('train', 'done')] })).toBe('none of 1 stages was cached');
});

test('runs are found by model, pipeline, status and words', () => {
  const runs = [makeRun('a', { createdBy: 'mara' }), makeRun('b', { status: 'FAILED' }), makeRun('c', { pipeline: null })];
  const ids = (query: Parameters<typeof filterRuns>[1]): string[] => filterRuns(runs, query).map(({ id }) => id);
  expect([ids({}), ids({ status: 'FAILED' }), ids({ pipeline: 'churn' }), ids({ q: ' MARA' }), ids({ model: 'spam' })]).toEqual([
    ['a', 'b', 'c'],
    ['b'],
    ['a', 'b'],
    ['a'],
    [],
  ]);
});

test('two runs at most are chosen, and choosing one again lets it go', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd')), (presses) => {
      let picked: string[] = [];
      for (const id of presses) {
        const before = picked;
        picked = pickRun(picked, id);
        expect(picked.includes(id)).toBe(!before.includes(id));
        expect(picked.length).toBeLessThanOrEqual(2);
      }
    }),
  );
});

describe('slices', () => {
  const slice = (column: string, value: string, metric: number, low: number, high: number): SliceReport => ({
    column,
    value,
    count: 10,
    positives: null,
    answered: null,
    metric: { value: metric, low: metric - 0.1, high: metric + 0.1 },
    difference: { value: (low + high) / 2, low, high },
  });
  test('differ from everybody else only where the interval leaves zero out', () => {
    expect([
      sliceVerdict(slice('a', 'x', 0.5, -0.2, -0.1), 'auc'),
      sliceVerdict(slice('a', 'x', 0.5, -0.2, 0.01), 'auc'),
      sliceVerdict(slice('a', 'x', 0.5, 0.1, 0.2), 'auc'),
      sliceVerdict(slice('a', 'x', 0.5, 0.1, 0.2), 'logLoss'),
    ]).toEqual(['worse', 'alike', 'better', 'worse']);
  });
  test('stand together by column, the worst first in the sense of the metric', () => {
    const slices = [slice('a', 'x', 0.9, 0, 0), slice('b', 'y', 0.4, 0, 0), slice('a', 'z', 0.2, 0, 0)];
    const values = (metric: string) => groupSlices(slices, metric).map(({ column, slices: list }) => [column, list.map(({ value }) => value).join('')]);
    expect(values('auc')).toEqual([
      ['a', 'zx'],
      ['b', 'y'],
    ]);
    expect(values('rmse')[0]).toEqual(['a', 'xz']);
  });
  test('fit into their chart, whatever their intervals', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), fc.double({ noNaN: true, min: 0, max: 1e6 }))), (pairs) => {
        const estimates = pairs.map(([low, wide]) => ({ low, high: low + wide }));
        const [from, to] = intervalDomain(estimates);
        expect(to).toBeGreaterThan(from);
        for (const { low, high } of estimates) expect(from < low && high < to).toBe(true);
      }),
    );
  });
});

describe('trials', () => {
  const trial = (id: string, metric: number | null, part: Partial<Trial> = {}): Trial => ({
    id,
    parameters: { rate: 0.1, kind: 'trees' },
    rung: 0,
    budget: 1,
    state: 'done',
    metric,
    ...part,
  });
  test('the best comes first in the sense of the metric, those without a figure last', () => {
    const trials = [trial('a', 0.3), trial('b', null), trial('c', 0.9), trial('d', 0.9, { budget: 0.1 })];
    expect(sortTrials(trials, 'auc').map(({ id }) => id)).toEqual(['c', 'd', 'a', 'b']);
    expect(sortTrials(trials, 'logLoss').map(({ id }) => id)).toEqual(['a', 'c', 'd', 'b']);
  });
  test('are drawn over what was searched, where it is a number', () => {
    const trials = [
      trial('a', 0.3, { parameters: { rate: 0.3, kind: 'x', same: 1 } }),
      trial('b', null),
      trial('c', 0.5, { parameters: { rate: 0.2, kind: 'y', same: 1 } }),
    ];
    expect(searchedParameters(trials.filter(({ id }) => id !== 'b'))).toEqual(['rate', 'kind']);
    expect(trialDots(trials, 'rate').map(({ x, y }) => [x, y])).toEqual([
      [0.2, 0.5],
      [0.3, 0.3],
    ]);
    expect(trialDots(trials, 'kind')).toEqual([]);
    expect(trialDots(trials, 'budget')).toHaveLength(2);
  });
});

test('what differs is told by kind: causes first, keys of stages last, and nothing is lost', () => {
  const differences = ['stage train', 'environment ort', 'weather', 'parameter train.trees', 'dataset', 'data rows', 'seed'].map((what) => ({
    what,
    left: '1',
    right: '2',
  }));
  const groups = groupDifferences(differences);
  expect(groups.map(({ name, items }) => `${name}: ${items.map(({ what }) => what).join(', ')}`)).toEqual([
    'Data: dataset, rows',
    'Parameters: train.trees',
    'Seed: seed',
    'Environment: ort',
    'Keys of stages: train',
    'Others: weather',
  ]);
});

test('curves of one measure share a chart, and those of two runs are paired by name', () => {
  expect(
    groupSeries([{ name: 'training loss' }, { name: 'auc' }, { name: 'validation loss' }, { name: 'validation.auc' }]).map(({ measure, series }) => [
      measure,
      series.length,
    ]),
  ).toEqual([
    ['loss', 2],
    ['auc', 2],
  ]);
  const pairs = pairSeries([{ name: 'a', points: [[0, 1]] }], [{ name: 'b', points: [[0, 2]] }]);
  expect(pairs.map(({ name, left, right }) => [name, left.length, right.length])).toEqual([
    ['a', 1, 0],
    ['b', 0, 1],
  ]);
});

test('a row of a confusion matrix is shares of its truth; an empty one stays empty', () => {
  expect(
    confusionShares([
      [3, 1],
      [0, 0],
    ]),
  ).toEqual([
    [0.75, 0.25],
    [0, 0],
  ]);
});
