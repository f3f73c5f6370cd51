import { SerinError } from '@serin/protocol/errors';

import { noProblems, refuseProblems } from '../data/problems.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import type { FeatureColumn, FeatureMatrix } from '../trees/feature-matrix.ts';
import { baseMargins, outputsOf } from '../trees/objective.ts';
import { checkRows } from '../trees/tree-checks.ts';
import { minimise } from './minimise.ts';

export type LinearObjective = { readonly kind: 'binary' } | { readonly kind: 'multi-class'; readonly classes: number } | { readonly kind: 'regression' };

export interface TrainLinearOptions {
  readonly features: FeatureMatrix;
  /** Class numbers, or values under regression. */
  readonly labels: ArrayLike<number>;
  readonly weights?: ArrayLike<number>;
  readonly objective: LinearObjective;
  /** Strength of the pull towards zero, for standardised features and the mean loss of a row. */
  readonly l2?: number;
  /** Forgets the features: the shares of the classes, or the mean. */
  readonly constant?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Margins that are sums: an intercept and a term a column. */
export interface LinearModel {
  readonly columns: readonly FeatureColumn[];
  readonly objective: LinearObjective;
  /** Margins: one, or one a class under `multi-class`. */
  readonly intercept: Float32Array;
  /** Numbers are standardised: this is taken off, and the rest multiplied. */
  readonly means: Float32Array;
  readonly scales: Float32Array;
  /**
   * A row of margins for each thing a column may say: of a number its slope and what being missing adds, of a category each
   * level and being missing. Empty for the constant model.
   */
  readonly terms: readonly Float32Array[];
  /** Mean loss of a training row, without the pull. */
  readonly loss: number;
  readonly rounds: number;
}

const l2Usual = 1e-4;
const roundsMax = 300;
const gradientMax = 2e-6;
/** Of what no row has. */
const curvatureMin = 1e-6;
/** Weights; categories have one a level. */
const weightsMax = 2 ** 20;

/** Logistic, softmax or ridge regression on standardised numbers, levels one by one, and what is missing as a level of its own. */
export async function trainLinear(options: TrainLinearOptions): Promise<LinearModel> {
  const { features, labels, objective, l2 = l2Usual, constant = false, signal } = options;
  throwIfCancelled(signal);
  const problems = noProblems();
  checkRows(options, objective, '', problems);
  refuseProblems(problems);
  if (!(l2 >= 0 && l2 < Infinity)) throw new SerinError('BAD_REQUEST', { detail: `l2 is ${l2}`, hint: 'It must be a number from 0' });
  const outputs = outputsOf(objective);
  const rows = weighRows(features, labels, options.weights, constant);
  const size = outputs + rows.columns.reduce((sum, { width }) => sum + width * outputs, 0);
  if (size > weightsMax)
    throw new SerinError('BAD_REQUEST', { detail: `${size} weights`, hint: `Fewer columns, levels or classes: the limit is ${weightsMax}` });
  const base = baseMargins(objective, { labels: rows.labels, weights: rows.weights, weight: 1, rows: features.rows });
  const loss = lossOf(rows, objective, base, outputs);
  const point = new Float64Array(size);
  const { rounds } = constant
    ? { rounds: 0 }
    : await minimise((at, gradient) => loss(at, gradient, l2), point, {
        roundsMax,
        gradientMax: gradientMax * rows.labelScale,
        curvature: curvatureOf(rows, outputs, l2),
        onRound: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          throwIfCancelled(signal);
        },
      });
  let next = outputs;
  return {
    columns: features.columns,
    objective,
    intercept: Float32Array.from(base, (margin, output) => margin + (point[output] as number)),
    means: rows.means,
    scales: rows.scales,
    terms: rows.columns.map(({ width }) => {
      next += width * outputs;
      return Float32Array.from(point.subarray(next - width * outputs, next));
    }),
    loss: loss(point, new Float64Array(size), 0),
    rounds,
  };
}

/** A level's weight is as curved as the level is frequent. */
function curvatureOf({ columns, weights }: PreparedRows, outputs: number, l2: number): Float64Array {
  const curvature: number[] = Array.from({ length: outputs }, () => 1);
  for (const { width, places, values } of columns) {
    const shares = new Float64Array(width);
    if (values !== undefined) shares[0] = 1;
    weights.forEach((weight, row) => {
      const place = places?.[row] ?? (Number.isNaN(values?.[row]) ? 1 : -1);
      if (place >= 0) shares[place] = (shares[place] as number) + weight;
    });
    for (const share of shares) for (let output = 0; output < outputs; output += 1) curvature.push(share + l2 + curvatureMin);
  }
  return Float64Array.from(curvature);
}

interface PreparedColumn {
  /** Weights of one margin. */
  readonly width: number;
  /** Of a number, its standardised value; NaN where it is missing. */
  readonly values: Float32Array | undefined;
  /** Of a category, the level; the number of levels where it is missing. */
  readonly places: Int32Array | undefined;
}

interface PreparedRows {
  readonly columns: readonly PreparedColumn[];
  readonly means: Float32Array;
  readonly scales: Float32Array;
  readonly labels: Float64Array;
  /** They add up to 1. */
  readonly weights: Float64Array;
  /** Typical size of a label, for knowing when a gradient is small. */
  readonly labelScale: number;
}

function weighRows({ rows, columns, values }: FeatureMatrix, labels: ArrayLike<number>, given: ArrayLike<number> | undefined, constant: boolean): PreparedRows {
  const weights = given === undefined ? new Float64Array(rows).fill(1) : Float64Array.from(given);
  const total = weights.reduce((sum, each) => sum + each, 0);
  for (let row = 0; row < rows; row += 1) weights[row] = (weights[row] as number) / total;
  const means = new Float32Array(columns.length);
  const scales = new Float32Array(columns.length);
  const prepared = (constant ? [] : columns).map((column, place): PreparedColumn => {
    const of = values.subarray(place * rows, (place + 1) * rows);
    if (column.kind === 'category') return { width: column.levels.length + 1, values: undefined, places: placesOf(of, column.levels.length) };
    [means[place], scales[place]] = standardise(of, weights);
    const [mean, scale] = [means[place] as number, scales[place] as number];
    return { width: 2, values: of.map((value) => (Number.isFinite(value) ? Math.fround(value - mean) * scale : Number.NaN)), places: undefined };
  });
  const labelOf = Float64Array.from(labels);
  const mean = labelOf.reduce((sum, label, row) => sum + label * (weights[row] as number), 0);
  const labelScale = Math.sqrt(labelOf.reduce((sum, label, row) => sum + (label - mean) ** 2 * (weights[row] as number), 0));
  return { columns: prepared, means, scales, labels: labelOf, weights, labelScale: Math.max(labelScale, 1e-12) };
}

const placesOf = (values: Float32Array, levels: number): Int32Array =>
  Int32Array.from(values, (value) => (value >= 0 && value < levels ? Math.trunc(value) : levels));

/** Mean and one over the spread of what is there; a column that never changes says nothing. */
function standardise(values: Float32Array, weights: Float64Array): [mean: number, scale: number] {
  let [sum, weight] = [0, 0];
  for (let row = 0; row < values.length; row += 1) {
    if (!Number.isFinite(values[row])) continue;
    sum += (values[row] as number) * (weights[row] as number);
    weight += weights[row] as number;
  }
  if (weight === 0) return [0, 0];
  const mean = Math.fround(sum / weight);
  let squares = 0;
  for (let row = 0; row < values.length; row += 1)
    if (Number.isFinite(values[row])) squares += ((values[row] as number) - mean) ** 2 * (weights[row] as number);
  const spread = Math.sqrt(squares / weight);
  return [mean, spread > 1e-6 * Math.abs(mean) && spread > 1e-30 ? 1 / spread : 0];
}

type Loss = (at: Float64Array, gradient: Float64Array, l2: number) => number;

function lossOf({ columns, labels, weights }: PreparedRows, objective: LinearObjective, base: Float32Array, outputs: number): Loss {
  const rows = labels.length;
  const margins = new Float64Array(rows * outputs);
  return (at, gradient, l2) => {
    for (let place = 0; place < margins.length; place += 1) margins[place] = (base[place % outputs] as number) + (at[place % outputs] as number);
    forColumns(columns, outputs, (column, from, output) => addTerms(column, at, from, output, outputs, margins));
    const loss = turnIntoErrors(objective, margins, labels, weights, outputs);
    gradient.fill(0);
    for (let place = 0; place < margins.length; place += 1) gradient[place % outputs] = (gradient[place % outputs] as number) + (margins[place] as number);
    forColumns(columns, outputs, (column, from, output) => addGradients(column, gradient, from, output, outputs, margins));
    let pull = 0;
    for (let place = outputs; place < at.length; place += 1) {
      const weight = at[place] as number;
      pull += weight * weight;
      gradient[place] = (gradient[place] as number) + l2 * weight;
    }
    return loss + 0.5 * l2 * pull;
  };
}

function forColumns(columns: readonly PreparedColumn[], outputs: number, work: (column: PreparedColumn, from: number, output: number) => void): void {
  let from = outputs;
  for (const column of columns) {
    for (let output = 0; output < outputs; output += 1) work(column, from, output);
    from += column.width * outputs;
  }
}

function addTerms({ values, places }: PreparedColumn, at: Float64Array, from: number, output: number, outputs: number, margins: Float64Array): void {
  const rows = margins.length / outputs;
  const [slope, missing] = [at[from + output] as number, at[from + outputs + output] as number];
  for (let row = 0, place = output; row < rows; row += 1, place += outputs) {
    let term: number;
    if (places !== undefined) term = at[from + (places[row] as number) * outputs + output] as number;
    else {
      const value = (values as Float32Array)[row] as number;
      term = value === value ? slope * value : missing;
    }
    margins[place] = (margins[place] as number) + term;
  }
}

function addGradients({ values, places }: PreparedColumn, gradient: Float64Array, from: number, output: number, outputs: number, errors: Float64Array): void {
  const rows = errors.length / outputs;
  let [slope, missing] = [0, 0];
  for (let row = 0, place = output; row < rows; row += 1, place += outputs) {
    const error = errors[place] as number;
    if (places !== undefined) {
      const into = from + (places[row] as number) * outputs + output;
      gradient[into] = (gradient[into] as number) + error;
    } else {
      const value = (values as Float32Array)[row] as number;
      if (value === value) slope += error * value;
      else missing += error;
    }
  }
  if (places !== undefined) return;
  gradient[from + output] = slope;
  gradient[from + outputs + output] = missing;
}

/** Replaces margins by the gradients of the mean loss, which it returns. */
function turnIntoErrors({ kind }: LinearObjective, margins: Float64Array, labels: Float64Array, weights: Float64Array, outputs: number): number {
  let loss = 0;
  for (let row = 0; row < labels.length; row += 1) {
    const [at, label, weight] = [row * outputs, labels[row] as number, weights[row] as number];
    const margin = margins[at] as number;
    if (kind === 'regression') {
      loss += 0.5 * weight * (margin - label) ** 2;
      margins[at] = weight * (margin - label);
    } else if (kind === 'binary') {
      const small = Math.exp(-Math.abs(margin));
      loss += weight * (Math.log1p(small) + Math.max(0, label === 1 ? -margin : margin));
      margins[at] = weight * ((margin > 0 ? 1 : small) / (1 + small) - label);
    } else {
      let most = -Infinity;
      for (let place = at; place < at + outputs; place += 1) most = Math.max(most, margins[place] as number);
      let sum = 0;
      for (let place = at; place < at + outputs; place += 1) sum += Math.exp((margins[place] as number) - most);
      loss += weight * (Math.log(sum) + most - (margins[at + label] as number));
      for (let place = at; place < at + outputs; place += 1) {
        margins[place] = weight * (Math.exp((margins[place] as number) - most) / sum - (place === at + label ? 1 : 0));
      }
    }
  }
  return loss;
}
