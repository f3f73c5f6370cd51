import { textPreparer, type TextRecord } from '@serin/inference/text/prepare';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';

import { throwIfCancelled } from '../train/cancellation.ts';
import { weightDigest } from '../train/weights.ts';
import { crossEntropyOf, fitTemperature } from '../deploy/temperature.ts';
import { checkExamples, checkFields, holdOut } from './examples.ts';
import { fitLinear, linearModel, scoreRows, type LinearFit, type LinearSettings, type LinearWeights, type Scaling } from './linear.ts';
import { joinRows, sparseRows, type SparseRows } from './sparse.ts';
import type { TextTraining, TrainedText } from './training.ts';

export { trainTextConv } from './train-conv.ts';

export interface TextLinearOptions {
  /** Strength of the penalty on large weights; of several, validation chooses. */
  readonly l2?: number | readonly number[];
  readonly scaling?: Scaling | readonly Scaling[];
  /** How much a mistake counts by the true class: `balanced` gives every class as much in all. */
  readonly classWeights?: 'balanced' | readonly number[];
  readonly iterationsMax?: number;
  readonly tolerance?: number;
}

export interface TextLinearProgress {
  /** The candidate that is being learnt, from 1, and how many there are; the last one learns from everything. */
  readonly candidate: number;
  readonly candidates: number;
  readonly iteration: number;
  readonly loss: number;
  readonly gradientShare: number;
}

export interface TrainTextLinear extends TextTraining {
  /** Of several, validation chooses. */
  readonly preprocessing: TextPreprocessing | readonly TextPreprocessing[];
  readonly options?: TextLinearOptions;
  readonly onProgress?: ((progress: TextLinearProgress) => void) | undefined;
}

export interface LinearCandidate {
  readonly preprocessing: TextPreprocessing;
  readonly l2: number;
  readonly scaling: Scaling;
  readonly validationLoss: number;
  readonly iterations: number;
}

export interface TrainedTextLinear extends TrainedText {
  /** Everything that was tried, in order. */
  readonly history: readonly LinearCandidate[];
  readonly chosen: LinearCandidate;
  /** As the model has them: what each bucket says, for exact explanations. */
  readonly weights: LinearWeights;
}

const usual = { l2: [1e-4, 1e-5, 1e-6, 1e-7], scaling: 'rarity', iterationsMax: 200, tolerance: 1e-3 } as const;

/** Words and their runs, hashed, under logistic regression: learns thousands of texts in seconds. */
export async function trainTextLinear(training: TrainTextLinear): Promise<TrainedTextLinear> {
  const { texts, labels, classes, options = {}, seed, signal } = training;
  const several = listOf(training.preprocessing);
  const [first] = several;
  if (first === undefined) throw new SerinError('CONFIG_INVALID', { detail: 'there is no preprocessing' });
  checkExamples({ texts, labels }, classes, 'texts', { complete: true });
  for (const one of several) checkFields(texts, one, 'texts');
  if (training.validation !== undefined) checkExamples(training.validation, classes, 'validation', { complete: false });
  throwIfCancelled(signal);
  const { rest, held } =
    training.validation === undefined ? holdOut({ texts, labels }, first, seed, training.groups) : { rest: { texts, labels }, held: training.validation };

  const settings = settingsOf(options);
  const candidates = several.length * settings.length + 1;
  const fit = (rows: SparseRows, own: ArrayLike<number>, each: Candidate, number: number): Promise<LinearFit> =>
    fitLinear(
      rows,
      own,
      classes.length,
      {
        ...each,
        classWeights: classWeightsOf(options.classWeights, own, classes.length),
        iterationsMax: options.iterationsMax ?? usual.iterationsMax,
        tolerance: options.tolerance ?? usual.tolerance,
      },
      { signal, onProgress: (progress) => training.onProgress?.({ candidate: number, candidates, ...progress }) },
    );

  const history: LinearCandidate[] = [];
  let best: (LinearCandidate & { readonly temperature: number; readonly rows: readonly [SparseRows, SparseRows] }) | undefined;
  for (const preprocessing of several) {
    const rows = [rowsOf(rest.texts, preprocessing), rowsOf(held.texts, preprocessing)] as const;
    for (const each of settings) {
      const { weights, iterations } = await fit(rows[0], rest.labels, each, history.length + 1);
      const scores = scoreRows(rows[1], weights);
      const temperature = fitTemperature(scores, held.labels, weights.columns);
      const validationLoss = crossEntropyOf(scores, held.labels, weights.columns, temperature);
      const candidate = { preprocessing, ...each, validationLoss, iterations };
      history.push(candidate);
      if (best === undefined || validationLoss < best.validationLoss) best = { ...candidate, temperature, rows };
    }
  }
  if (best === undefined) throw new SerinError('CONFIG_INVALID', { detail: 'options.l2 and options.scaling leave nothing to try' });
  const { temperature, rows, ...chosen } = best;
  const { weights } = await fit(joinRows(...rows), [...Array.from(rest.labels), ...Array.from(held.labels)], chosen, candidates);
  const scaled = { columns: weights.columns, table: weights.table.map((x) => x / temperature), bias: weights.bias.map((x) => x / temperature) };
  const model = linearModel(scaled);
  const { preprocessing, validationLoss } = chosen;
  return { model, preprocessing, weightDigest: await weightDigest(model), temperature, validationLoss, history, chosen, weights: scaled };
}

type Candidate = Pick<LinearSettings, 'l2' | 'scaling'>;

const listOf = <Item>(given: Item | readonly Item[]): readonly Item[] => (Array.isArray(given) ? (given as readonly Item[]) : [given as Item]);

function settingsOf({ l2 = usual.l2, scaling = usual.scaling }: TextLinearOptions): Candidate[] {
  const strengths = listOf(l2);
  for (const strength of strengths)
    if (!(strength > 0 && strength < Infinity)) throw new SerinError('CONFIG_INVALID', { detail: `l2 is ${strength}; it must be more than 0` });
  return listOf<Scaling>(scaling).flatMap((each) => strengths.map((strength) => ({ l2: strength, scaling: each })));
}

function classWeightsOf(given: TextLinearOptions['classWeights'], labels: ArrayLike<number>, classes: number): readonly number[] {
  if (given === undefined) return Array.from({ length: classes }, () => 1);
  if (given !== 'balanced') {
    if (given.length === classes && given.every((weight) => weight > 0 && weight < Infinity)) return given;
    throw new SerinError('CONFIG_INVALID', { detail: `classWeights is [${given.join(', ')}]; it must be a number above 0 for each of ${classes} classes` });
  }
  const counts = Array.from({ length: classes }, () => 0);
  for (let index = 0; index < labels.length; index += 1) counts[labels[index] ?? 0] = (counts[labels[index] ?? 0] ?? 0) + 1;
  return counts.map((count) => labels.length / (classes * Math.max(1, count)));
}

function rowsOf(texts: readonly TextRecord[], preprocessing: TextPreprocessing): SparseRows {
  const { output } = preprocessing;
  if (output.kind !== 'buckets') throw new SerinError('CONFIG_INVALID', { detail: `the linear model eats buckets, its preprocessing makes ${output.kind}` });
  const preparer = textPreparer(preprocessing);
  return sparseRows(
    texts.map((text) => preparer.entries(preparer.words(text))),
    2 ** output.bits,
  );
}
