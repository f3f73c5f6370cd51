import { drawNormal, type Random } from './seeded-random.ts';

/**
 * Random Fourier features (Rahimi and Recht 2007): z(x) = sqrt(2/D) cos(Wx + b), whose inner products are the Gaussian
 * kernel exp(-|x - y|^2 / (2 bandwidth^2)) on average over W and b. One draw is off by about 1/sqrt(D), the same way
 * for every frame, so distances between windows that share W and b stay comparable.
 */
export interface RandomFeatures {
  /** Numbers in an embedding, and in z. */
  readonly inputs: number;
  readonly features: number;
  /** W, a row for each feature: features x inputs. */
  readonly weights: Float32Array;
  /** b, one for each feature. */
  readonly biases: Float32Array;
}

export const RANDOM_FEATURES = 128;

/** Its inverse has to be a float32 as well. */
const isBandwidth = (length: number): boolean => length > 1e-30 && length < 1e30;

export interface RandomFeatureOptions {
  inputs: number;
  /** The length over which embeddings stop resembling each other. */
  bandwidth: number;
  random: Random;
  features?: number;
}

/** The same seed draws the same W and b on every engine. */
export function drawRandomFeatures({ inputs, bandwidth, random, features = RANDOM_FEATURES }: RandomFeatureOptions): RandomFeatures {
  if (![inputs, features].every((size) => Number.isInteger(size) && size > 0)) throw new RangeError('random features need inputs and features');
  if (!isBandwidth(bandwidth)) throw new RangeError(`no float32 weights for a bandwidth of ${bandwidth}`);
  return {
    inputs,
    features,
    weights: Float32Array.from({ length: features * inputs }, () => drawNormal(random) / bandwidth),
    biases: Float32Array.from({ length: features }, () => 2 * Math.PI * random()),
  };
}

/** z of one embedding, as the graph computes it. */
export function featuresOf(values: ArrayLike<number>, { inputs, features, weights, biases }: RandomFeatures, offset = 0): Float64Array {
  const scale = Math.sqrt(2 / features);
  const z = new Float64Array(features);
  for (let feature = 0; feature < features; feature++) {
    let angle = biases[feature]!;
    for (let input = 0; input < inputs; input++) angle += weights[feature * inputs + input]! * values[offset + input]!;
    z[feature] = scale * Math.cos(angle);
  }
  return z;
}

const PAIRS_MAX = 2000;

/**
 * The median heuristic: the median distance of pairs of embeddings, drawn where there are too many. `values` are rows of
 * `inputs` numbers; rows that are not finite are passed over. 1 where embeddings do not differ, since any bandwidth
 * serves then.
 */
export function medianBandwidth(values: ArrayLike<number>, inputs: number, random: Random): number {
  const rows: number[] = [];
  for (let row = 0; (row + 1) * inputs <= values.length; row++) if (isFiniteRow(values, row * inputs, inputs)) rows.push(row * inputs);
  const distances: number[] = [];
  const between = (one: number, other: number): void => {
    let squared = 0;
    for (let input = 0; input < inputs; input++) squared += (values[one + input]! - values[other + input]!) ** 2;
    distances.push(Math.sqrt(squared));
  };
  const draw = (): number => rows[Math.floor(random() * rows.length)]!;
  if ((rows.length * (rows.length - 1)) / 2 <= PAIRS_MAX) rows.forEach((one, at) => rows.slice(at + 1).forEach((other) => between(one, other)));
  else
    for (let pair = 0; pair < PAIRS_MAX; pair++) {
      const [one, other] = [draw(), draw()];
      if (one !== other) between(one, other);
    }
  const median = distances.toSorted((a, b) => a - b)[distances.length >> 1] ?? 0;
  return isBandwidth(median) ? median : 1;
}

export function isFiniteRow(values: ArrayLike<number>, offset: number, width: number): boolean {
  for (let at = offset; at < offset + width; at++) if (!Number.isFinite(values[at])) return false;
  return true;
}
