import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, type Dimension, type Model, type Tensor } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { foldConstants } from '../onnx/passes/fold-constants.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { upgradeOpset } from '../onnx/passes/upgrade-opset.ts';
import { createLayers, learningWeights, probeBatch, type Layers, type Value } from './layers.ts';
import { train, type TrainOptions, type TrainResult } from './train.ts';

export interface NewHead {
  /** The value of the imported model that the head reads; what comes after it is dropped. */
  readonly after: string;
  define(nn: Layers, features: Value): void;
}

/** Which weights learn: all, those of the new head, or those the function picks by name. */
export type Trainable = 'all' | 'head' | ((name: string, weight: Tensor) => boolean);

export interface FineTuneOptions extends Omit<TrainOptions, 'trainable'> {
  readonly head?: NewHead;
  readonly trainable?: Trainable;
  /** Sizes of the free dimensions of the inputs, except the first, which is the batch. */
  readonly dimensions?: Readonly<Record<string, number>>;
}

/** Goes on training a model that was made elsewhere, whole or in part, with its own output or a new head. */
export async function fineTune(options: FineTuneOptions): Promise<TrainResult> {
  const { model, head, trainable = 'all', dimensions = {}, ...rest } = options;
  const imported = await prepareImported(bindInputs(model, dimensions));
  const whole = head === undefined ? imported : replaceHead(imported, head, options.seed);
  return train({ ...rest, model: whole, trainable: chooseWeights(whole, imported, trainable) });
}

/** Weights become initialisers wherever the exporter put them, and old operators what they are called today. */
export async function prepareImported(model: Model): Promise<Model> {
  return removeDeadCode(await foldConstants(upgradeOpset(model)));
}

const batchName = 'N';

/** Fixes every free dimension of the inputs but the batch. */
function bindInputs(model: Model, dimensions: Readonly<Record<string, number>>): Model {
  const inputs = model.graph.inputs.map((input) => {
    const dims = input.dims.map((dim, axis): Dimension => {
      if (axis === 0) return typeof dim === 'number' ? dim : batchName;
      if (typeof dim === 'number') return dim;
      const size = dimensions[dim];
      if (size === undefined) {
        throw new SerinError('MODEL_INVALID', { detail: `dimension ${dim} of ${input.name} has no size`, hint: `Give it: dimensions: { '${dim}': 224 }` });
      }
      return size;
    });
    return { ...input, dims };
  });
  return { ...model, graph: { ...model.graph, inputs } };
}

/** The model up to a value, and new layers behind it. */
export function replaceHead(model: Model, { after, define }: NewHead, seed: number): Model {
  // Only the name counts: what else is known of the value is inferred.
  const { graph } = removeDeadCode({ ...model, graph: { ...model.graph, outputs: [{ name: after, type: 'float32', dims: [] }] } });
  const { types } = inferModel({ ...model, graph }, { dimensions: { [batchName]: probeBatch } });
  const features = types.get(after);
  if (features === undefined) {
    throw new SerinError('MODEL_INVALID', { detail: `it has no value ${after} to put a head on`, hint: 'npm run onnx -- dump FILE lists the values' });
  }
  const builder = createGraphBuilder(graph.name);
  for (const { name, type, dims } of graph.inputs) builder.input(name, type, dims);
  for (const [name, tensor] of graph.initialisers) builder.constant(tensor, name);
  for (const node of graph.nodes) builder.append(node);
  const sheet = { builder, types: new Map(types), constants: new Map<string, Tensor>() };
  const nn = createLayers(sheet, seed);
  nn.scope('head', () => define(nn, { name: after, ...features }));
  const extended = builder.finish();
  if (extended.outputs.length === 0)
    throw new SerinError('MODEL_INVALID', { detail: 'the new head has no output', hint: 'End it with nn.output(name, value)' });
  return { ...createModel(extended), opsets: model.opsets, irVersion: model.irVersion };
}

/** Where operators take what they have learnt; statistics, sizes and settings are none of it. */
const learntInputs: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  Gather: [0],
  Add: [0, 1],
  Mul: [0, 1],
  PRelu: [1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
};

function chooseWeights(whole: Model, imported: Model, trainable: Trainable): string[] {
  const own = imported.graph.initialisers;
  const learnt = new Set(whole.graph.nodes.flatMap(({ operator, inputs }) => (learntInputs[operator] ?? []).map((index) => inputs[index] ?? '')));
  const fresh = new Set(learningWeights(whole));
  const chosen = [...whole.graph.initialisers].filter(([name, tensor]) => {
    if (tensor.type !== 'float32') return false;
    if (!own.has(name)) return fresh.has(name);
    if (typeof trainable === 'function') return trainable(name, tensor);
    // A single number is a setting of the graph, not something it learnt.
    return trainable === 'all' && learnt.has(name) && tensor.dims.length > 0;
  });
  if (chosen.length === 0) {
    throw new SerinError('MODEL_INVALID', { detail: 'no weight is to learn', hint: 'Choose some: trainable: (name) => ..., or give the model a new head' });
  }
  return chosen.map(([name]) => name);
}
