import { SerinError } from '@serin/protocol/errors';

import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Quantised } from '../quantise.ts';
import { equalise } from './equalise.ts';
import { chooseExclusion, shrinkExclusion } from './exclusion.ts';
import { fineTuneQuantised, type FineTuneSettings } from './fine-tune.ts';
import { screenNodes } from './screening.ts';
import { rankLayers } from './sensitivity.ts';
import { openWorkbench, type Candidate, type Workbench, type WorkbenchOptions } from './workbench.ts';

export type RecoveryKind = 'exclude' | 'bias' | 'equalise' | 'fine-tune';

/** What was tried, and what it bought. */
export interface RecoveryStep {
  readonly step: 'plain' | RecoveryKind;
  /** With this step, on top of those taken before. */
  readonly metric: number;
  /** Of the last layers against those of the float model. */
  readonly sqnrDb: number;
  readonly taken: boolean;
  readonly words: string;
}

export interface RecoverOptions extends WorkbenchOptions {
  readonly floatMetric: number;
  /** Of the metric, as a share of what float reaches. */
  readonly lossMax: number;
  /** What to try, in this order. */
  readonly steps?: readonly RecoveryKind[];
  readonly fineTune?: FineTuneSettings;
  /** Most of the work that may stay in float, as a share. */
  readonly floatShareMax?: number;
  /** Once this has passed no further remedy is begun. */
  readonly timeMsMax?: number;
  readonly now?: () => number;
}

export interface Recovered {
  readonly quantised: Quantised;
  readonly path: readonly RecoveryStep[];
}

const usualSteps: readonly RecoveryKind[] = ['exclude', 'bias', 'equalise', 'fine-tune'];

/** Quantises, and while the loss is over the budget tries one remedy after the other and keeps those that help. */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { steps = usualSteps, signal, onProgress, timeMsMax = Infinity, now = () => performance.now() } = options;
  const begun = now();
  const budget = createBudget(options);
  const report = (place: number, within: number, words: string): void => onProgress?.(Math.min(1, (place + within) / (steps.length + 1)), words);
  report(0, 0, 'quantising');
  const bench = await openWorkbench(options);
  let best = await bench.build({ float: bench.float, exclude: new Set(), biases: false, learnt: undefined });
  const { calibration } = best.quantised.report;
  const ranges = calibration === undefined ? '' : `, ${calibration}`;
  const path: RecoveryStep[] = [entry('plain', best, true, `${countText(bench, best)} in 8 bits${ranges}, ${budget.words(best)}`)];

  let outdated = false;
  for (const [index, step] of steps.entries()) {
    if (budget.holds(best)) break;
    throwIfCancelled(signal);
    if (now() - begun >= timeMsMax) {
      path.push(entry(step, best, false, `${step}: not tried, the ${Math.round(timeMsMax / 1000)} s for this were over`));
      continue;
    }
    const progress = (within: number): void => report(index + 1, within, remedies[step].title);
    progress(0);
    const tried = await attempt(step, { bench, best, budget, options, progress });
    const taken = tried.candidate !== undefined && isBetter(tried.candidate, best);
    const outcome = tried.candidate === undefined ? budget.words(best) : budget.change(best, tried.candidate);
    path.push(entry(step, tried.candidate ?? best, taken, `${tried.words}, ${outcome}${taken ? '' : ': not taken'}`));
    if (!taken || tried.candidate === undefined) continue;
    // What was left in float before may do with 8 bits now.
    outdated = step !== 'exclude';
    best = tried.candidate;
  }

  if (outdated && best.recipe.exclude.size > 0) {
    const { candidate, words } = await dropExclusions(bench, best, budget);
    if (candidate !== undefined) path.push(entry('exclude', candidate, true, `${words}, ${budget.change(best, candidate)}`));
    best = candidate ?? best;
  }
  const last = path.at(-1);
  if (last !== undefined && !budget.holds(best)) path.splice(-1, 1, { ...last, words: `${last.words}; ${budget.missed(best)}` });
  report(steps.length + 1, 0, 'done');
  return { quantised: best.quantised, path };
}

const entry = (step: RecoveryStep['step'], { metric, sqnrDb }: Candidate, taken: boolean, words: string): RecoveryStep => ({
  step,
  metric: Math.max(metric, -Number.MAX_VALUE),
  sqnrDb,
  taken,
  words,
});

/** More right answers, or as many that are clearly nearer to those of the float model. */
const isBetter = (one: Candidate, than: Candidate): boolean =>
  one.metric > than.metric || (one.metric === than.metric && one.sqnrDb > than.sqnrDb + sqnrGainMin);
const sqnrGainMin = 0.1;

interface Budget {
  holds(candidate: Candidate): boolean;
  words(candidate: Candidate): string;
  change(from: Candidate, to: Candidate): string;
  missed(candidate: Candidate): string;
}

function createBudget({ floatMetric, lossMax }: RecoverOptions): Budget {
  const loss = ({ metric }: Candidate): number => (floatMetric - metric) / Math.max(Math.abs(floatMetric), Number.MIN_VALUE);
  return {
    holds: ({ metric }) => metric >= floatMetric - Math.abs(floatMetric) * lossMax,
    words: (candidate) => `loss ${percent(loss(candidate))}`,
    change: (from, to) => `loss ${percent(loss(from))} -> ${percent(loss(to))}, ${from.sqnrDb.toFixed(1)} -> ${to.sqnrDb.toFixed(1)} dB`,
    missed: (candidate) => `${percent(loss(candidate) - lossMax)} over the budget of ${percent(lossMax)}`,
  };
}

const percent = (share: number): string => (Number.isFinite(share) ? `${Number((100 * share).toFixed(2))} %` : 'of everything');

interface Situation {
  readonly bench: Workbench;
  readonly best: Candidate;
  readonly budget: Budget;
  readonly options: RecoverOptions;
  readonly progress: (within: number) => void;
}

interface Tried {
  readonly candidate: Candidate | undefined;
  readonly words: string;
}

const remedies: Readonly<Record<RecoveryKind, { readonly title: string; readonly run: (situation: Situation) => Promise<Tried> }>> = {
  exclude: { title: 'looking for layers to leave in float', run: tryExclusion },
  bias: { title: 'correcting biases', run: tryBiases },
  equalise: { title: 'evening out channels', run: tryEqualising },
  'fine-tune': { title: 'training through the roundings', run: tryFineTuning },
};

/** A remedy that cannot be applied to this model is one that was not taken, with the reason. */
async function attempt(step: RecoveryKind, situation: Situation): Promise<Tried> {
  try {
    const { candidate, words } = await remedies[step].run(situation);
    return { candidate, words: `${step}: ${words}` };
  } catch (error) {
    if (!(error instanceof SerinError) || !inapplicable.has(error.code)) throw error;
    return { candidate: undefined, words: `${step}: not possible, ${error.detail ?? error.message}` };
  }
}
const inapplicable: ReadonlySet<string> = new Set(['MODEL_UNSUPPORTED', 'MODEL_INVALID', 'TRAINING_DIVERGED', 'TRAINING_DATA_INVALID', 'MODEL_LOAD_FAILED']);

/** So many layers are measured one by one: those that add most noise at a first look. */
const layersMax = 40;
const metricLayersMax = 6;
const trialsMax = 24;
const floatShareUsual = 1 / 3;

/** Nodes that compute in 8 bits: what only moves values loses nothing by itself. */
const computing = (bench: Workbench, { quantised }: Candidate): string[] => quantised.report.quantised.filter((name) => bench.share(name) > 0);

const countText = (bench: Workbench, candidate: Candidate): string => {
  const [layers, others] = [computing(bench, candidate).length, candidate.quantised.report.left.filter(({ node }) => bench.share(node) > 0).length];
  return `${layers} of ${layers + others} layers`;
};

async function tryExclusion({ bench, best, budget, options, progress }: Situation): Promise<Tried> {
  const layers = computing(bench, best);
  const { threads, signal } = options;
  const shareMax = options.floatShareMax ?? floatShareUsual;
  const light = layers.filter((name) => bench.share(name) <= shareMax);
  const names = await screenNodes(best.recipe.float, best.quantised.model, light, layersMax, { batches: bench.sketch.batches, threads, signal });
  const ranking = await rankLayers({
    names,
    only: (name) => bench.only(best.recipe, name),
    reference: bench.sketch,
    metric: (model) => bench.judge(model),
    metricMax: metricLayersMax,
    threads,
    signal,
    onProgress: (fraction) => progress(fraction / 2),
  });
  const found = await chooseExclusion({
    ranked: ranking.map(({ name }) => name),
    share: (name) => bench.share(name),
    shareMax,
    trialsMax,
    judge: (set) => bench.build({ ...best.recipe, exclude: new Set([...best.recipe.exclude, ...set]) }),
    suffices: (candidate) => budget.holds(candidate),
    isBetter,
  });
  if (found === undefined) return { candidate: undefined, words: 'every layer is too much of the work to stay in float' };
  return { candidate: found.outcome, words: `${found.names.size} of ${layers.length} layers left in float ${exclusionText(bench, found.names)}` };
}

const namesShownMax = 4;

function exclusionText(bench: Workbench, names: ReadonlySet<string>): string {
  const shown = [...names].slice(0, namesShownMax);
  const share = [...names].reduce((sum, name) => sum + bench.share(name), 0);
  return `(${shown.join(', ')}${names.size > shown.length ? ', ...' : ''}; ${percent(share)} of the work)`;
}

async function tryBiases({ bench, best }: Situation): Promise<Tried> {
  return { candidate: await bench.build({ ...best.recipe, biases: true }), words: 'every bias takes back the shift of its channel' };
}

async function tryEqualising({ bench, best, options }: Situation): Promise<Tried> {
  const { model, pairs, spread } = await equalise(best.recipe.float, options);
  if (pairs === 0) return { candidate: undefined, words: 'no two layers follow each other so that channels could be evened out' };
  // What was learnt belongs to other channels.
  const candidate = await bench.build({ ...best.recipe, float: model, learnt: undefined });
  const [before, after] = [spread.before, spread.after].map((value) => value.toPrecision(2));
  return { candidate, words: `channels evened out between ${pairs} pairs of layers (the widest from ${before} to ${after} times the median)` };
}

async function tryFineTuning({ bench, best, options, progress }: Situation): Promise<Tried> {
  const { threads, signal, fineTune = {}, weightType = 'int8', weightBits = 7 } = options;
  const bits = weightType === 'uint8' ? 8 : weightBits;
  const { edits, steps } = await fineTuneQuantised({
    steps: stepsFor(bench.flops),
    ...fineTune,
    float: best.recipe.float,
    quantised: best.quantised.model,
    batches: bench.training,
    largest: 2 ** (bits - 1) - 1,
    judge: (model) => bench.judge(model),
    threads,
    signal,
    onProgress: progress,
  });
  const candidate = await bench.build({ ...best.recipe, learnt: edits });
  return { candidate, words: `${steps} steps of training through the roundings` };
}

/** Some minutes of training for a large network, seconds for a small one. */
const stepsFor = (flops: number): number => Math.round(Math.min(stepsUsual, Math.max(stepsMin, trainingWork / Math.max(1, flops))));
const [stepsMin, stepsUsual, trainingWork] = [30, 200, 2e10];

/** Later remedies may have made up for what was left in float. */
async function dropExclusions(bench: Workbench, best: Candidate, budget: Budget): Promise<Tried> {
  const { names, outcome } = await shrinkExclusion(
    {
      share: (name) => bench.share(name),
      trialsMax,
      judge: (exclude) => bench.build({ ...best.recipe, exclude }),
      suffices: (candidate) => (budget.holds(best) ? budget.holds(candidate) : candidate.metric >= best.metric),
    },
    { names: best.recipe.exclude, outcome: best },
  );
  const dropped = new Set([...best.recipe.exclude].filter((name) => !names.has(name)));
  if (dropped.size === 0) return { candidate: undefined, words: '' };
  return { candidate: outcome, words: `exclude: ${dropped.size} of ${best.recipe.exclude.size} layers back in 8 bits ${exclusionText(bench, dropped)}` };
}
