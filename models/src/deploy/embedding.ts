import { embeddingOutput } from '@serin/inference/embedding';
import type { Random } from '@serin/inference/random';
import { embeddingFeaturesMax } from '@serin/protocol/limits';
import { SerinError } from '@serin/protocol/errors';
import { drawRandomFeatures, medianBandwidth, RANDOM_FEATURES, type RandomFeatures } from '@serin/stats/random-features';

import { int, ints, type Model, type Node, type Tensor, type ValueInfo } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { writeModel } from '../onnx/model-file.ts';
import { valuesRead } from '../onnx/scope.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { extendModel, makerOf, type GraphTools } from './extend.ts';
import { readied } from './heads.ts';

export interface EmbeddingOptions {
  /** Inputs to learn the scale of inner values from, by name; a few hundred examples do. */
  readonly batches: Iterable<Readonly<Record<string, Tensor>>>;
  readonly random: Random;
  /** The inner value; what the last layer with weights reads unless told. */
  readonly value?: string;
  /** Random features a row. */
  readonly features?: number;
  /** The distance of standardised values over which they stop resembling each other; the median of those seen unless told. */
  readonly bandwidth?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface WithEmbedding {
  readonly model: Model;
  /** What it is made of: a value of the graph, its numbers after pooling, and the bandwidth taken. */
  readonly value: string;
  readonly width: number;
  readonly bandwidth: number;
}

const refuse = (detail: string, hint: string): SerinError => new SerinError('MODEL_UNSUPPORTED', { detail, hint });
const widthMax = 16_384;
/** Rows that are measured; the median distance of fewer pairs would do. */
const rowsMax = 1024;
/** A number that hardly moved is not blown up to the size of those that did: so much of their mean square is the least. */
const deviationShareMin = 0.1;

/** The model with one more output, `embedding`: random Fourier features of what it makes of its input just before it answers. */
export async function addEmbedding(original: Model, options: EmbeddingOptions): Promise<WithEmbedding> {
  const { random, features = RANDOM_FEATURES } = options;
  if (!(Number.isInteger(features) && features >= 1 && features <= embeddingFeaturesMax))
    throw refuse(`${features} random features`, `From 1 to ${embeddingFeaturesMax}`);
  const model = readied(original);
  if (model.graph.outputs.some(({ name }) => name === embeddingOutput)) throw refuse(`it has an output ${embeddingOutput} already`, 'Nothing has to be added');
  const value = options.value ?? findInnerValue(model);
  const { rows, width } = await measure(model, value, options);
  const { mean, deviation } = spreadOf(rows, width);
  const standard = rows.map((each, at) => (each - (mean[at % width] as number)) / (deviation[at % width] as number));
  const bandwidth = options.bandwidth ?? medianBandwidth(standard, width, random.fork('bandwidth').uniform);
  const drawn = drawRandomFeatures({ inputs: width, bandwidth, random: random.fork('features').uniform, features });
  return { model: withEmbedding(model, value, mean, deviation, drawn), value, width, bandwidth };
}

const layers: ReadonlySet<string> = new Set(['Conv', 'Gemm', 'MatMul']);
const reshaping: ReadonlySet<string> = new Set(['Flatten', 'Reshape', 'Squeeze']);

/** What the last layer with weights before the answer reads: the picture as the network understands it. */
function findInnerValue(model: Model): string {
  const { graph } = model;
  const needed = new Set([graph.outputs[0]?.name ?? '']);
  const weights = (node: Node): boolean =>
    graph.initialisers.has(node.inputs[1] ?? '') || makerOf(model, node.inputs[1] ?? '')?.operator === 'DequantizeLinear';
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    if (layers.has(node.operator) && node.domain === '' && weights(node)) return beforeReshaping(model, node.inputs[0] ?? '');
    for (const name of valuesRead(node)) needed.add(name);
  }
  throw refuse('it has no layer with weights', 'Name the inner value that the embedding is made of');
}

/** Maps that are only laid out as a row are pooled better than taken point by point. */
function beforeReshaping(model: Model, value: string): string {
  const { types } = inferModel(model, { tolerant: true, otherwise: 1 });
  const maker = makerOf(model, value);
  const from = maker === undefined || !reshaping.has(maker.operator) ? undefined : maker.inputs[0];
  const dims = types.get(from ?? '')?.dims;
  return from !== undefined && dims?.length === 4 && (dims[2] ?? 1) * (dims[3] ?? 1) > 1 ? from : value;
}

/** A row of numbers for each example: the mean of a map over its places. */
function pooled(model: Model, value: string, { at, add }: GraphTools): string {
  const { types } = inferModel(model, { tolerant: true, otherwise: 1 });
  const found = types.get(value);
  if (found !== undefined && found.type !== 'float32') throw refuse(`${value} is of type ${found.type}`, 'Name a float32 value');
  const rank = found?.dims.length;
  if (rank === 2) return at(value);
  if (rank !== 3 && rank !== 4)
    throw refuse(`${value} ${rank === undefined ? 'has an unknown shape' : `has ${rank} dimensions`}`, 'Name a value of 2, 3 or 4 dimensions');
  // Of a sequence the places come first, of a map last.
  const map = rank === 4 ? at(value) : add('Transpose', [at(value)], { perm: ints([0, 2, 1]) });
  return add('Flatten', [add('GlobalAveragePool', [map])], { axis: int(1) });
}

const probe: ValueInfo = { name: 'embedding_probe', type: 'float32', dims: [], anyShape: true };

async function measure(model: Model, value: string, { batches, signal }: EmbeddingOptions): Promise<{ rows: Float32Array; width: number }> {
  const probing = extendModel(model, { stem: embeddingOutput, makes: [probe.name], keep: () => false }, (tools) =>
    tools.output(probe.name, probe.type, ['N', 'F'], pooled(model, value, tools)),
  );
  const session = await openSession(writeModel(probing, { shapelessOutputs: true }));
  const parts: Float32Array[] = [];
  let [count, width] = [0, 0];
  try {
    for (const batch of batches) {
      throwIfCancelled(signal);
      const feeds = Object.entries(batch).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)] as const);
      const found = (await session.run(Object.fromEntries(feeds)))[probe.name];
      const [examples = 0, numbers = 0] = found?.dims ?? [];
      width = numbers;
      parts.push(found?.data as Float32Array);
      count += examples;
      if (count >= rowsMax) break;
    }
  } finally {
    await session.release();
  }
  if (count < 2) throw refuse(`${count} examples to scale the embedding by`, 'Give some hundred inputs as they come in service');
  if (width < 1 || width > widthMax) throw refuse(`${value} has ${width} numbers an example`, `From 1 to ${widthMax}; name another value`);
  const rows = new Float32Array(count * width);
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  if (!rows.every(Number.isFinite)) throw refuse(`${value} is not finite on the examples given`, 'Name another value, or look at the examples');
  return { rows, width };
}

function spreadOf(rows: Float32Array, width: number): { mean: Float64Array; deviation: Float64Array } {
  const count = rows.length / width;
  const [mean, square] = [new Float64Array(width), new Float64Array(width)];
  rows.forEach((value, at) => (mean[at % width] = (mean[at % width] as number) + value / count));
  rows.forEach((value, at) => (square[at % width] = (square[at % width] as number) + (value - (mean[at % width] as number)) ** 2 / count));
  const least = deviationShareMin * Math.sqrt(square.reduce((sum, value) => sum + value, 0) / width);
  return { mean, deviation: square.map((value) => Math.max(Math.sqrt(value), least) || 1) };
}

/** Standardising is part of the weights: z = sqrt(2 / D) cos(W (x - mean) / deviation + b). */
function withEmbedding(model: Model, value: string, mean: Float64Array, deviation: Float64Array, drawn: RandomFeatures): Model {
  const { inputs, features, weights, biases } = drawn;
  const scaled = Float64Array.from(weights, (weight, at) => weight / (deviation[at % inputs] as number));
  const shifted = Float64Array.from(biases, (bias, feature) => {
    let phase = bias;
    for (let input = 0; input < inputs; input += 1) phase -= (scaled[feature * inputs + input] as number) * (mean[input] as number);
    return phase % (2 * Math.PI);
  });
  return extendModel(model, { stem: embeddingOutput, makes: [embeddingOutput] }, (tools) => {
    const { add, whole, number, table } = tools;
    const column = add('Unsqueeze', [pooled(model, value, tools), whole([2])]);
    // With the constant on the left it is no layer to a quantiser: the phases of cosines have to stay floats.
    const phases = add('Add', [add('MatMul', [table([features, inputs], scaled), column]), table([features, 1], shifted)]);
    const z = add('Mul', [add('Cos', [phases]), number(Math.sqrt(2 / features))]);
    tools.output(embeddingOutput, 'float32', ['N', features], add('Squeeze', [z, whole([2])]));
  });
}
