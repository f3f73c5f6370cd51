import { SerinError } from '@serin/protocol/errors';

import { createModel, elementCount, type Model, type Tensor } from '../onnx/graph.ts';
import { differentiate } from './autodiff.ts';
import type { Loss } from './losses.ts';
import type { Optimiser } from './optimiser.ts';
import { createTape, type Tape } from './tape.ts';

export interface TrainingGraphOptions {
  readonly model: Model;
  readonly loss: Loss;
  /** Names of the initialisers that learn. */
  readonly trainable: readonly string[];
  /** Sizes of the free dimensions, the batch among them. */
  readonly dimensions: Readonly<Record<string, number>>;
  readonly optimiser: Optimiser;
  /** Longer gradients are shortened to this length, taken over all weights together. */
  readonly clipNorm?: number | undefined;
  /** Keeps a running average of the weights. */
  readonly averaged?: boolean;
}

/** A vector that enters and leaves every step. */
export interface StateVector {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly length: number;
}

/** Where one weight lies in the vector of all. */
export interface WeightPlace {
  readonly name: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface TargetInput {
  readonly name: string;
  readonly type: Tensor['type'];
  readonly dims: readonly number[];
}

export interface TrainingGraph {
  readonly model: Model;
  readonly places: readonly WeightPlace[];
  /** The first is `weights`; what follows begins at zero, but for `average`, which begins as the weights. */
  readonly state: readonly StateVector[];
  /** What a batch must bring: the model's inputs and the loss's targets. */
  readonly batch: readonly TargetInput[];
  /** Scalars asked for at each step. */
  readonly scalars: readonly string[];
  /** Scalars that come out: `loss`, its parts, and the gradient's length. */
  readonly reports: readonly string[];
}

export const weightsName = 'state.weights';

/** Forward pass, loss, backward pass and optimiser as one ONNX graph: a step is one run. */
export function createTrainingGraph(options: TrainingGraphOptions): TrainingGraph {
  const { model, trainable, optimiser, clipNorm } = options;
  const tape = createTape('training');
  const { places, length } = placeWeights(model, trainable);
  const weights = tape.input(weightsName, 'float32', [length]);
  splitWeights(tape, weights, places);
  layOutModel(tape, options);

  const targets = new Map<string, TargetInput>();
  const parts = new Map<string, string>();
  const loss = options.loss({
    tape,
    output: (name) => {
      tape.type(name);
      return name;
    },
    target: (name, type, dims) => {
      if (!targets.has(name)) {
        tape.input(name, type, dims);
        targets.set(name, { name, type, dims });
      }
      return name;
    },
    part: (name, value) => parts.set(name, value),
  });
  const gradients = differentiate(tape, loss, trainable);
  const flat = places.map(({ name }) => tape.add('Reshape', [gradients.get(name) ?? '', tape.longs([-1])]));
  const joined = flat.length === 1 ? (flat[0] ?? '') : tape.add('Concat', flat, { axis: { kind: 'int', value: 0 } });

  const reports: string[] = [];
  const report = (name: string, value: string): void => {
    const named = tape.add('Identity', [value], {}, name);
    tape.output(named);
    reports.push(name);
  };
  report('loss', loss);
  for (const [name, value] of parts) report(`loss.${name}`, value);
  const gradient = clipNorm === undefined ? joined : clip(tape, joined, clipNorm, report);

  const rate = tape.input('rate', 'float32', []);
  const correction = tape.input('correction', 'float32', []);
  const inputs = optimiser.state.map((name) => tape.input(`state.${name}`, 'float32', [length]));
  const updated = optimiser.update(tape, { weights, gradient, state: inputs, rate, correction, decayed: decayMask(tape, places, length, optimiser) });

  const state: StateVector[] = [];
  const keep = (name: string, input: string, output: string): void => {
    tape.output(output);
    state.push({ name, input, output, length });
  };
  keep('weights', weights, updated.weights);
  optimiser.state.forEach((name, index) => keep(name, inputs[index] ?? '', updated.state[index] ?? ''));
  const scalars = ['rate', 'correction'];
  if (options.averaged === true) {
    const average = tape.input('state.average', 'float32', [length]);
    const share = tape.input('averaging', 'float32', []);
    const step = tape.add('Mul', [tape.add('Sub', [updated.weights, average]), share]);
    keep('average', average, tape.add('Add', [average, step]));
    scalars.push('averaging');
  }
  const graph = tape.finish();
  const own = new Set([...scalars, ...state.map(({ input }) => input)]);
  const batch = graph.inputs.filter(({ name }) => !own.has(name)).map(({ name, type, dims }) => ({ name, type, dims: dims as number[] }));
  return { model: createModel(graph), places, state, batch, scalars, reports };
}

function placeWeights(model: Model, trainable: readonly string[]): { places: WeightPlace[]; length: number } {
  const places: WeightPlace[] = [];
  let offset = 0;
  for (const name of trainable) {
    const tensor = model.graph.initialisers.get(name);
    if (tensor === undefined) throw new SerinError('MODEL_INVALID', { detail: `it has no weight ${name}` });
    if (tensor.type !== 'float32') throw new SerinError('MODEL_UNSUPPORTED', { detail: `weight ${name} is ${tensor.type}; only float32 weights learn` });
    const length = elementCount(tensor.dims);
    places.push({ name, dims: tensor.dims, offset, length });
    offset += length;
  }
  if (offset === 0) throw new SerinError('MODEL_INVALID', { detail: 'no weight is to learn' });
  return { places, length: offset };
}

/** The weights under their own names again, for the model's nodes to find. */
function splitWeights(tape: Tape, weights: string, places: readonly WeightPlace[]): void {
  for (const { name, dims, offset, length } of places) {
    const part = tape.add('Slice', [weights, tape.longs([offset]), tape.longs([offset + length]), tape.longs([0])]);
    tape.add('Reshape', [part, tape.longs(dims)], {}, name);
  }
}

function layOutModel(tape: Tape, { model, dimensions, trainable }: TrainingGraphOptions): void {
  const learning = new Set(trainable);
  for (const { name, type, dims } of model.graph.inputs) {
    const bound = dims.map((dim) => (typeof dim === 'number' ? dim : dimensions[dim]));
    const unbound = bound.indexOf(undefined);
    if (unbound !== -1) throw new SerinError('MODEL_INVALID', { detail: `dimension ${dims[unbound] ?? ''} of ${name} has no size` });
    tape.input(name, type, bound as number[]);
  }
  for (const [name, tensor] of model.graph.initialisers) if (!learning.has(name)) tape.constant(tensor, name);
  for (const node of model.graph.nodes) tape.append(node);
}

/** Pascanu, Mikolov and Bengio 2013, section 3.2. */
function clip(tape: Tape, gradient: string, limit: number, report: (name: string, value: string) => void): string {
  const squares = tape.add('ReduceSum', [tape.add('Mul', [gradient, gradient]), tape.longs([0])], { keepdims: { kind: 'int', value: 0 } });
  const norm = tape.add('Sqrt', [squares]);
  report('gradientNorm', norm);
  const longest = tape.add('Max', [norm, tape.number(limit, norm)]);
  return tape.add('Mul', [gradient, tape.add('Div', [tape.number(limit, norm), longest])]);
}

/** Only matrices and kernels decay: a bias or a scale has nothing to gain from being small. */
function decayMask(tape: Tape, places: readonly WeightPlace[], length: number, optimiser: Optimiser): string | undefined {
  if (optimiser.decay === 0 || places.every(({ dims }) => dims.length >= 2)) return undefined;
  const mask = new Float32Array(length);
  for (const { dims, offset, length: count } of places) if (dims.length >= 2) mask.fill(1, offset, offset + count);
  return tape.constant({ type: 'float32', dims: [length], data: mask });
}
