import { SerinError } from '@serin/protocol/errors';

import { createModel, currentIrVersion, currentOpset, elementCount, int, numberAttribute, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { namesDefined } from '../onnx/scope.ts';
import { differentiate } from './autodiff.ts';
import { trainingBatchNorm } from './batch-norm.ts';
import type { Loss } from './losses.ts';
import { createLayout } from './model-layout.ts';
import type { Optimiser } from './optimiser.ts';
import { poolFirst } from './pool-first.ts';
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
  /** Batch normalisation goes on by the statistics it has, as in the deployed model. */
  readonly frozenNorms?: boolean;
}

/** A vector that enters and leaves every step. */
export interface StateVector {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly length: number;
  /** Where the model's tensors lie in it, with which it begins; a vector without begins at zero. */
  readonly places?: readonly TensorPlace[];
}

/** Where one tensor of the model lies in a vector. */
export interface TensorPlace {
  readonly name: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface BatchInput {
  readonly name: string;
  /** Its name in the graph. */
  readonly input: string;
  readonly type: Tensor['type'];
  readonly dims: readonly number[];
  /** The value of the model that a target goes with. */
  readonly like?: string;
}

export interface TrainingGraph {
  readonly model: Model;
  readonly places: readonly TensorPlace[];
  /** `weights` first. `running` holds statistics of batch normalisation; `average` and `averageRunning` follow these two. */
  readonly state: readonly StateVector[];
  /** What a batch must bring: the model's inputs and the loss's targets. */
  readonly batch: readonly BatchInput[];
  /** Scalars asked for at each step, by their names in the graph. */
  readonly scalars: Readonly<Record<string, string>>;
  /** Scalars that come out, `loss`, its parts and `gradientNorm`, by their names in the graph. */
  readonly reports: Readonly<Record<string, string>>;
}

/** Forward pass, loss, backward pass and optimiser as one ONNX graph: a step is one run. */
export function createTrainingGraph(options: TrainingGraphOptions): TrainingGraph {
  const { trainable, optimiser, clipNorm } = options;
  const model = poolFirst(options.model, options);
  const taken = new Set(namesDefined(model.graph));
  const opset = opsetFor(model);
  const tape = createTape('training', opset, taken);
  const step = createStep(tape, taken);

  const places = placeTensors(model, trainable);
  if (places.length === 0) throw new SerinError('MODEL_INVALID', { detail: 'no weight is to learn' });
  const norms = options.frozenNorms === true ? [] : runningTensors(model);
  const weights = step.vector('weights', places);
  const running = norms.length === 0 ? undefined : step.vector('running', placeTensors(model, norms));
  for (const vector of [weights, running]) if (vector !== undefined) takeApart(tape, vector);
  const statistics = new Map(norms.map((name) => [name, name]));
  const layOut = createLayout(tape, model, {
    dimensions: options.dimensions,
    present: new Set([...trainable, ...norms]),
    rewrite: (node) => rewriteNorm(tape, node, statistics),
  });

  const { loss, targets } = writeLoss(options, tape, step, layOut);
  const gradients = differentiate(tape, loss, trainable);
  const joined = join(
    tape,
    trainable.map((name) => gradients.get(name) ?? ''),
  );
  const norm = tape.add('Sqrt', [tape.add('ReduceSumSquare', [joined], { keepdims: int(0) })]);
  step.report('gradientNorm', norm);

  const vectors = optimiser.state.map((name) => step.vector(name, weights.length));
  const updated = optimiser.update(tape, {
    weights: weights.input,
    gradient: clipNorm === undefined ? joined : clip(tape, joined, norm, clipNorm),
    state: vectors.map(({ input }) => input),
    rate: step.scalar('rate'),
    correction: step.scalar('correction'),
    decayed: decayMask(tape, places, weights.length, optimiser),
  });
  const left: [Vector, string][] = [[weights, updated.weights]];
  if (running !== undefined) left.push([running, join(tape, [...statistics.values()])]);
  const followed = options.averaged === true ? left.slice() : [];
  vectors.forEach((vector, index) => left.push([vector, updated.state[index] ?? '']));
  if (followed.length > 0) {
    const share = step.scalar('averaging');
    for (const [{ name, places: held = [] }, goal] of followed) {
      const average = step.vector(averageOf(name), held);
      left.push([average, tape.add('Add', [average.input, tape.add('Mul', [tape.add('Sub', [goal, average.input]), share])])]);
    }
  }
  const state = left.map(([vector, output]): StateVector => ({ ...vector, output }));
  for (const { output } of state) tape.output(output);

  const graph = tape.finish();
  const given = new Set([...Object.values(step.scalars), ...state.map(({ input }) => input), ...targets.map(({ input }) => input)]);
  const feeds = graph.inputs.filter(({ name }) => !given.has(name));
  return {
    model: { ...createModel(graph), irVersion: Math.max(currentIrVersion, model.irVersion), opsets: { ...model.opsets, '': opset } },
    places,
    state,
    batch: [...feeds.map(({ name, type, dims }) => ({ name, input: name, type, dims: dims as number[] })), ...targets],
    scalars: step.scalars,
    reports: step.reports,
  };
}

const opsetMin = 13;

/** The model's own, or the one that layers are written in; nodes of 13 mean the same there. */
function opsetFor({ opsets }: Model): number {
  const version = opsets[''] ?? currentOpset;
  if (version >= opsetMin) return Math.max(currentOpset, version);
  throw new SerinError('MODEL_UNSUPPORTED', {
    detail: `it is written in opset ${version}; training wants ${opsetMin} or later`,
    hint: 'fineTune() brings an older model up to date; or export it anew',
  });
}

/** The vector that holds the running average of another. */
export const averageOf = (name: string): string => `${name}.average`;

type Vector = Omit<StateVector, 'output'>;

/** What enters and leaves a step beside the batch, under names that the model has none of. */
interface Step {
  readonly scalars: Record<string, string>;
  readonly reports: Record<string, string>;
  /** A vector that begins as the model's tensors, or one of zeros. */
  vector(name: string, content: readonly TensorPlace[] | number): Vector;
  scalar(name: string): string;
  report(name: string, value: string): void;
  unlike(name: string): string;
}

function createStep(tape: Tape, taken: ReadonlySet<string>): Step {
  const own = (name: string): string => (taken.has(`train:${name}`) ? own(`${name}_`) : `train:${name}`);
  const scalars: Record<string, string> = {};
  const reports: Record<string, string> = {};
  return {
    scalars,
    reports,
    vector: (name, content) => {
      const length = typeof content === 'number' ? content : content.reduce((sum, place) => sum + place.length, 0);
      const input = tape.input(own(name), 'float32', [length]);
      return typeof content === 'number' ? { name, input, length } : { name, input, length, places: content };
    },
    scalar: (name) => {
      const input = tape.input(own(name), 'float32', []);
      scalars[name] = input;
      return input;
    },
    report: (name, value) => {
      const single = tape.type(value).dims.length === 0 ? value : tape.add('Reshape', [value, tape.longs([])]);
      const output = tape.add('Identity', [single], {}, own(`report.${name}`));
      tape.output(output);
      reports[name] = output;
    },
    unlike: (name) => (taken.has(name) ? own(name) : name),
  };
}

function placeTensors(model: Model, names: readonly string[]): TensorPlace[] {
  let offset = 0;
  return names.map((name) => {
    const tensor = model.graph.initialisers.get(name);
    if (tensor === undefined) throw new SerinError('MODEL_INVALID', { detail: `it has no weight ${name}` });
    if (tensor.type !== 'float32') throw new SerinError('MODEL_UNSUPPORTED', { detail: `weight ${name} is ${tensor.type}; only float32 weights learn` });
    const place = { name, dims: tensor.dims, offset, length: elementCount(tensor.dims) };
    offset += place.length;
    return place;
  });
}

/** The tensors under their own names again, for the model's nodes to find. */
function takeApart(tape: Tape, { input, places = [] }: Vector): void {
  const lengths = places.map(({ length }) => length);
  const parts = places.length === 1 ? [input] : tape.addMany('Split', [input, tape.longs(lengths)], { axis: int(0) }, places.length);
  places.forEach(({ name, dims }, index) => tape.add('Reshape', [parts[index] ?? '', tape.longs(dims)], {}, name));
}

function join(tape: Tape, tensors: readonly string[]): string {
  const flat = tensors.map((tensor) => (tape.type(tensor).dims.length === 1 ? tensor : tape.add('Reshape', [tensor, tape.longs([-1])])));
  return flat.length === 1 ? tape.add('Identity', flat) : tape.add('Concat', flat, { axis: int(0) });
}

function writeLoss({ loss, model }: TrainingGraphOptions, tape: Tape, step: Step, layOut: (value: string) => string): { loss: string; targets: BatchInput[] } {
  const targets: BatchInput[] = [];
  const parts: [string, string][] = [];
  let asked = '';
  const value = loss({
    tape,
    output: (name) => {
      asked = name;
      return layOut(name);
    },
    target: (name, type, dims) => {
      // A model that learns its own input, say.
      const twin = model.graph.inputs.some((input) => input.name === name) ? { input: layOut(name), ...tape.type(name) } : undefined;
      const known = twin ?? targets.find((target) => target.name === name);
      if (known === undefined) {
        const input = tape.input(step.unlike(name), type, dims);
        targets.push({ name, input, type, dims, like: asked });
        return input;
      }
      if (known.type === type && known.dims.join() === dims.join()) return known.input;
      throw new SerinError('MODEL_INVALID', {
        detail: `the loss wants ${name} as ${type} [${dims.join()}] and as ${known.type} [${known.dims.join()}]`,
        hint: 'Give each part of the loss a target of its own name',
      });
    },
    part: (name, part) => parts.push([name, part]),
  });
  step.report('loss', value);
  for (const [name, part] of parts) step.report(`loss.${name}`, part);
  return { loss: value, targets };
}

/** Statistics that batch normalisation keeps in the model: mean and variance of each, however often they are used. */
function runningTensors({ graph }: Model): string[] {
  const kept = graph.nodes.filter(isNorm).flatMap(({ inputs }) => inputs.slice(3, 5));
  return [...new Set(kept)].filter((name) => graph.initialisers.has(name));
}

const isNorm = ({ operator, domain }: Node): boolean => operator === 'BatchNormalization' && (domain === '' || domain === 'ai.onnx');

/** Batch normalisation by the batch's own statistics; `statistics` goes on to the names of the new ones. */
function rewriteNorm(tape: Tape, node: Node, statistics: Map<string, string>): boolean {
  const [x = '', scale = '', bias = '', meanName = '', varianceName = ''] = node.inputs;
  // A layer used twice in one network mixes in its statistics twice.
  const [mean, variance] = [statistics.get(meanName), statistics.get(varianceName)];
  if (!isNorm(node) || mean === undefined || variance === undefined) return false;
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const momentum = numberAttribute(node, 'momentum', 0.9);
  const { output, newMean, newVariance } = trainingBatchNorm(tape, { x, scale, bias, mean, variance, epsilon, momentum });
  statistics.set(meanName, newMean);
  statistics.set(varianceName, newVariance);
  tape.add('Identity', [output], {}, node.outputs[0] ?? '');
  return true;
}

/** Pascanu, Mikolov and Bengio 2013, section 3.2. */
function clip(tape: Tape, gradient: string, norm: string, limit: number): string {
  const longest = tape.add('Max', [norm, tape.number(limit, norm)]);
  return tape.add('Mul', [gradient, tape.add('Div', [tape.number(limit, norm), longest])]);
}

/** Only matrices and kernels decay: a bias or a scale has nothing to gain from being small. */
function decayMask(tape: Tape, places: readonly TensorPlace[], length: number, optimiser: Optimiser): string | undefined {
  if (optimiser.decay === 0 || places.every(({ dims }) => dims.length >= 2)) return undefined;
  const mask = new Float32Array(length);
  for (const { dims, offset, length: count } of places) if (dims.length >= 2) mask.fill(1, offset, offset + count);
  return tape.constant({ type: 'float32', dims: [length], data: mask });
}
