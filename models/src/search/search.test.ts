import fc from 'fast-check';
import { expect, test } from 'vitest';

import { checkPipeline } from '@serin/protocol/pipeline-file';
import { pipelineTemplates } from '@serin/protocol/pipeline-templates';
import type { SearchSettings } from '@serin/protocol/pipeline';
import { seededRandom } from '@serin/inference/random';

import {
  bestTrial,
  budgetSpent,
  isFinished,
  nextTrials,
  reviveSearch,
  startSearch,
  tellFailure,
  tellResult,
  trialRecords,
  type SearchState,
  type SearchTask,
} from './asha.ts';
import { drawParameters, hasBudget, trialOf } from './space.ts';

const settings = (over: Partial<SearchSettings> = {}): SearchSettings => ({
  method: 'asha',
  trials: 27,
  keepOneIn: 3,
  firstShare: 0.1,
  space: { leaves: { from: 2, to: 100, log: true, whole: true }, l2: { from: 0, to: 4, log: false, whole: false }, way: { oneOf: ['a', 'b', true] } },
  ...over,
});

/** Runs a search on `workers` workers whose results come in an order the random source decides. */
function play(
  start: SearchState,
  workers: number,
  score: (task: SearchTask) => number | 'failed' | 'lost',
  order: (count: number) => number,
  check: (before: SearchState, task: SearchTask) => void = () => {},
): SearchState {
  let state = start;
  let open: SearchTask[] = [];
  for (let turn = 0; turn < 10_000; turn += 1) {
    const given = nextTrials(state, workers - open.length);
    for (const task of given.tasks) check(state, task);
    state = JSON.parse(JSON.stringify(given.state)) as SearchState;
    open = [...open, ...given.tasks];
    if (open.length === 0) return state;
    const [task] = open.splice(order(open.length), 1) as [SearchTask];
    const outcome = score(task);
    if (typeof outcome === 'number') state = tellResult(state, task.id, task.rung, outcome);
    else {
      const told = tellFailure(state, task.id, task.rung, outcome);
      state = told.state;
      if (told.again !== undefined) open.push(told.again);
    }
  }
  throw new Error('it does not end');
}

const anything = fc.record({
  seed: fc.nat(),
  workers: fc.integer({ min: 1, max: 8 }),
  trials: fc.integer({ min: 2, max: 40 }),
  keepOneIn: fc.integer({ min: 2, max: 5 }),
  firstShare: fc.constantFrom(0.01, 0.1, 0.3, 1),
  method: fc.constantFrom('asha' as const, 'random' as const),
  better: fc.constantFrom('higher' as const, 'lower' as const),
  unlucky: fc.constantFrom(0, 0.1, 0.5),
});

test('whatever the order of results and failures, no worse trial goes on before a better one of its rung, and the budget is bounded', () => {
  fc.assert(
    fc.property(anything, ({ seed, workers, trials, keepOneIn, firstShare, method, better, unlucky }) => {
      const chance = seededRandom(seed).fork('play');
      const start = startSearch({ settings: settings({ trials, keepOneIn, firstShare, method }), seed, better, rungs: true });
      const end = play(
        start,
        workers,
        () => (chance.uniform() < unlucky ? (chance.uniform() < 0.5 ? 'failed' : 'lost') : chance.uniform() < 0.05 ? Number.NaN : chance.normal()),
        (count) => chance.integer(count),
        (before, { id, rung }) => {
          if (rung === 0) return;
          const waiting = before.trials.filter(
            (trial) => trial.rung === rung - 1 && trial.state === 'done' && trial.results[rung - 1] !== null && trial.id !== id,
          );
          const mine = before.trials.find((trial) => trial.id === id)?.results[rung - 1] as number;
          for (const { results } of waiting) {
            const other = results[rung - 1] as number;
            expect(better === 'higher' ? mine >= other : mine <= other).toBe(true);
          }
        },
      );
      expect(isFinished(end)).toBe(true);
      expect(end.trials.length).toBe(trials);
      // Of those at a rung at most one in so many goes on, rounded up.
      let most = trials;
      let bound = 0;
      start.budgets.forEach((budget, rung) => {
        expect(end.trials.filter((trial) => trial.rung >= rung).length).toBeLessThanOrEqual(most);
        bound += budget * most;
        most = Math.ceil(most / keepOneIn);
      });
      expect(budgetSpent(end)).toBeLessThanOrEqual(bound + 1e-9);
      expect(trialRecords(end).length).toBe(trials);
    }),
    { numRuns: 200 },
  );
});

test('one worker with the same seed tries the same trials and chooses the same one; the best of the last rung wins', () => {
  const start = startSearch({ settings: settings(), seed: 5, better: 'lower', rungs: true });
  const score = ({ parameters, budget }: SearchTask): number => Math.abs(Number(parameters['leaves']) - 20) / budget;
  const [one, other] = [play(start, 1, score, () => 0), play(start, 1, score, () => 0)];
  expect(one).toEqual(other);
  const best = bestTrial(one);
  expect(best?.results.length).toBe(one.budgets.length);
  expect(budgetSpent(one)).toBeCloseTo(27 / 9 + 9 / 3 + 3, 4);
});

test('random search gives every trial everything', () => {
  const end = play(
    startSearch({ settings: settings({ method: 'random', trials: 5 }), seed: 1, better: 'higher', rungs: true }),
    2,
    () => 1,
    () => 0,
  );
  expect(end.budgets).toEqual([1]);
  expect(budgetSpent(end)).toBe(5);
  expect(trialRecords(end).every(({ state, budget }) => state === 'done' && budget === 1)).toBe(true);
});

test('a search that is stored and read again goes on with what was running', () => {
  const start = startSearch({ settings: settings({ trials: 4 }), seed: 1, better: 'higher', rungs: true });
  const { state, tasks } = nextTrials(start, 3);
  const read = JSON.parse(JSON.stringify(state)) as SearchState;
  expect(reviveSearch(read)).toEqual(tasks);
});

test('a lost trial is given out again twice, then it is out; a result told twice counts once', () => {
  let { state } = nextTrials(startSearch({ settings: settings({ trials: 2 }), seed: 1, better: 'higher', rungs: true }), 1);
  for (const expected of [true, true, false]) {
    const told = tellFailure(state, 't001', 0, 'lost');
    expect(told.again !== undefined).toBe(expected);
    ({ state } = told);
  }
  expect(state.trials[0]?.state).toBe('failed');
  expect(tellResult(state, 't001', 0, 1)).toEqual(state);
});

test('values lie in their ranges, reach both ends, and do not change when another parameter comes', () => {
  const { space } = settings();
  const drawn = Array.from({ length: 2000 }, (_, trial) => drawParameters(space, seededRandom(1), trial));
  const leaves = drawn.map((parameters) => Number(parameters['leaves']));
  expect(Math.min(...leaves)).toBe(2);
  expect(Math.max(...leaves)).toBe(100);
  expect(leaves.every(Number.isInteger)).toBe(true);
  // Evenly over magnitudes: half of the draws below the geometric mean.
  expect(leaves.filter((value) => value <= 14).length / 2000).toBeGreaterThan(0.42);
  expect(leaves.filter((value) => value <= 14).length / 2000).toBeLessThan(0.58);
  expect(new Set(drawn.map((parameters) => parameters['way']))).toEqual(new Set(['a', 'b', true]));
  expect(drawParameters({ ...space, another: { oneOf: [1, 2] } }, seededRandom(1), 7)).toMatchObject(drawn[7] ?? {});
});

test('a trial is the pipeline with its parameters and a share of its length, and searches no more', () => {
  const file = checkPipeline(pipelineTemplates.imbalanced.file);
  const trial = trialOf(file, { leaves: 15 }, 0.1);
  expect(trial.train).toMatchObject({ kind: 'trees', leaves: 15, trees: 50 });
  expect(trial.search).toBeUndefined();
  expect(trialOf(file, {}, 1).train).toEqual(file.train);
  expect([hasBudget('trees'), hasBudget('linear')]).toEqual([true, false]);
});
