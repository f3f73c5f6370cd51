/**
 * Search for good parameters, as a pure state machine: random search, and asynchronous successive halving (ASHA: Li et al.
 * 2018, algorithm 2), where every trial gets a little training and the best of each rung get more.
 *
 *     let state = startSearch({ settings, seed, better: 'higher', rungs: true });
 *     for (;;) {
 *       const { state: next, tasks } = nextTrials(state, freeWorkers);   // start these: each is a trial with a budget
 *       ...                                                              // run them wherever: `trialOf(file, parameters, budget)`
 *       state = tellResult(next, id, rung, metric);                      // as results come in, in any order
 *       state = tellFailure(next, id, rung, 'failed' | 'lost');          // a lost task is given out once more, a failed trial is out
 *     }
 *
 * The state is plain JSON: store it after every change and a restart goes on with it; `reviveSearch` gives out again what was
 * running. The same seed draws the same trials, and results in the same order promote the same ones.
 */
import { seededRandom } from '@serin/inference/random';
import type { ParameterValue, Trial } from '@serin/protocol/api/runs';
import type { SearchSettings } from '@serin/protocol/pipeline';

import { drawParameters } from './space.ts';

export interface SearchState {
  readonly v: 1;
  readonly settings: SearchSettings;
  readonly seed: number;
  readonly better: 'higher' | 'lower';
  /** Share of the full training at each rung, ascending; the last is 1. */
  readonly budgets: readonly number[];
  readonly trials: readonly SearchTrial[];
}

export interface SearchTrial {
  readonly id: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  /** What it is at, or was at last. */
  readonly rung: number;
  readonly state: 'running' | 'done' | 'failed';
  /** Of every rung it has finished. A metric that is no number counts as the worst. */
  readonly results: readonly (number | null)[];
  /** Times this rung was given out and not heard of again. */
  readonly lost: number;
}

export interface SearchTask {
  readonly id: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  readonly rung: number;
  readonly budget: number;
}

const lossesMax = 2;

export interface SearchStart {
  readonly settings: SearchSettings;
  readonly seed: number;
  readonly better: 'higher' | 'lower';
  /** Whether the trainer can be cut short (`hasBudget`); otherwise there is one rung, whatever the method. */
  readonly rungs: boolean;
}

export function startSearch({ settings, seed, better, rungs }: SearchStart): SearchState {
  return { v: 1, settings, seed, better, budgets: rungs && settings.method === 'asha' ? budgetsOf(settings) : [1], trials: [] };
}

/** From everything down to about the first share, so that no two rungs are nearly alike. */
function budgetsOf({ firstShare, keepOneIn }: SearchSettings): number[] {
  const rungs = Math.floor(Math.log(1 / firstShare) / Math.log(keepOneIn) + 1e-9);
  return Array.from({ length: rungs + 1 }, (_, rung) => Number((keepOneIn ** (rung - rungs)).toPrecision(6)));
}

/** What can be started now, on so many workers: promotions first, from the highest rung down, else fresh trials. */
export function nextTrials(state: SearchState, workers: number): { readonly state: SearchState; readonly tasks: readonly SearchTask[] } {
  const tasks: SearchTask[] = [];
  let now = state;
  while (tasks.length < workers) {
    const promoted = promotionOf(now);
    const fresh = promoted === undefined ? freshTrial(now) : undefined;
    const next = promoted ?? fresh ?? lastPromotionOf(now);
    if (next === undefined) break;
    now = { ...now, trials: fresh === undefined ? replace(now.trials, next) : [...now.trials, next] };
    tasks.push(taskOf(now, next));
  }
  return { state: now, tasks };
}

const taskOf = ({ budgets }: SearchState, { id, parameters, rung }: SearchTrial): SearchTask => ({ id, parameters, rung, budget: budgets[rung] ?? 1 });
const replace = (trials: readonly SearchTrial[], changed: SearchTrial): SearchTrial[] => trials.map((trial) => (trial.id === changed.id ? changed : trial));

function freshTrial({ settings, seed, trials }: SearchState): SearchTrial | undefined {
  if (trials.length >= settings.trials) return undefined;
  const parameters = drawParameters(settings.space, seededRandom(seed).fork('search'), trials.length);
  return { id: `t${String(trials.length + 1).padStart(3, '0')}`, parameters, rung: 0, state: 'running', results: [], lost: 0 };
}

/**
 * The best trial that waits at a rung of which fewer have gone on than one in so many of those that finished it. So it is
 * among the best of its rung, and no more ever go on than that share: what a search costs is known before.
 */
function promotionOf(state: SearchState): SearchTrial | undefined {
  for (let rung = state.budgets.length - 2; rung >= 0; rung -= 1) {
    const next = promotionAt(state, rung, Math.floor);
    if (next !== undefined) return next;
  }
  return undefined;
}

/** When all that could come to a rung has come, a share that is no whole number is rounded up: somebody goes to the end. */
function lastPromotionOf(state: SearchState): SearchTrial | undefined {
  for (let rung = 0; rung < state.budgets.length - 1; rung += 1) {
    if (state.trials.some((trial) => trial.state === 'running' && trial.rung <= rung)) return undefined;
    const next = promotionAt(state, rung, Math.ceil);
    if (next !== undefined) return next;
  }
  return undefined;
}

function promotionAt(state: SearchState, rung: number, round: (share: number) => number): SearchTrial | undefined {
  const finished = state.trials.filter(({ results }) => results.length > rung);
  const gone = finished.filter((trial) => trial.rung > rung).length;
  if (gone >= round(finished.length / state.settings.keepOneIn)) return undefined;
  const [next] = finished.filter((trial) => trial.state === 'done' && trial.rung === rung && trial.results[rung] !== null).toSorted(byResult(state, rung));
  return next === undefined ? undefined : { ...next, rung: rung + 1, state: 'running', lost: 0 };
}

const worth = (result: number | null | undefined, better: SearchState['better']): number =>
  result === null || result === undefined ? -Infinity : better === 'higher' ? result : -result;

/** Better first; ties go to the older trial. */
const byResult =
  ({ better }: SearchState, rung: number) =>
  (one: SearchTrial, other: SearchTrial): number => {
    const [left, right] = [worth(one.results[rung], better), worth(other.results[rung], better)];
    return left === right ? (one.id < other.id ? -1 : 1) : right - left;
  };

/** A result that nobody waits for (told twice, or of a trial that was given up) changes nothing. */
export function tellResult(state: SearchState, id: string, rung: number, metric: number): SearchState {
  return settle(state, id, rung, (trial) => ({ ...trial, state: 'done', results: [...trial.results, Number.isFinite(metric) ? metric : null] }));
}

/** `failed`: these parameters do not train, the trial is out. `lost`: nobody knows, so it is given out again, within limits. */
export function tellFailure(
  state: SearchState,
  id: string,
  rung: number,
  how: 'failed' | 'lost',
): { readonly state: SearchState; readonly again?: SearchTask } {
  const known = state.trials.find((trial) => trial.id === id && trial.rung === rung && trial.state === 'running');
  if (known === undefined) return { state };
  const lost = known.lost + 1;
  if (how === 'lost' && lost <= lossesMax) {
    const changed = { ...known, lost };
    return { state: { ...state, trials: replace(state.trials, changed) }, again: taskOf(state, changed) };
  }
  return { state: settle(state, id, rung, (trial) => ({ ...trial, state: 'failed', lost })) };
}

function settle(state: SearchState, id: string, rung: number, change: (trial: SearchTrial) => SearchTrial): SearchState {
  return { ...state, trials: state.trials.map((trial) => (trial.id === id && trial.rung === rung && trial.state === 'running' ? change(trial) : trial)) };
}

/** After a restart: what was running is given out again. It counts as no loss, for nobody failed but the program. */
export const reviveSearch = (state: SearchState): readonly SearchTask[] =>
  state.trials.filter((trial) => trial.state === 'running').map((trial) => taskOf(state, trial));

/** Nothing runs, nothing more can be started. */
export const isFinished = (state: SearchState): boolean => state.trials.every((trial) => trial.state !== 'running') && nextTrials(state, 1).tasks.length === 0;

/** The best of those that went furthest; undefined where every trial failed. */
export function bestTrial(state: SearchState): SearchTrial | undefined {
  for (let rung = state.budgets.length - 1; rung >= 0; rung -= 1) {
    const [best] = state.trials.filter(({ results }) => results[rung] !== undefined && results[rung] !== null).toSorted(byResult(state, rung));
    if (best !== undefined) return best;
  }
  return undefined;
}

/** Share of the full training spent, at most this many full trainings. */
export const budgetSpent = ({ budgets, trials }: SearchState): number =>
  trials.reduce((sum, { results }) => sum + results.reduce<number>((all, _, rung) => all + (budgets[rung] ?? 1), 0), 0);

/** As a run's record shows them. */
export const trialRecords = (state: SearchState): Trial[] =>
  state.trials.map(({ id, parameters, rung, state: standing, results }) => {
    const last = state.budgets.length - 1;
    const stopped = standing === 'done' && rung < last;
    return {
      id,
      parameters: { ...parameters },
      rung,
      budget: state.budgets[rung] ?? 1,
      state: stopped ? 'stopped' : standing,
      metric: results.findLast((result) => result !== null) ?? null,
    };
  });
