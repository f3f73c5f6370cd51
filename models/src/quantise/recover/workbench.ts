import type { Model, Node } from '../../onnx/graph.ts';
import { summariseModel } from '../../onnx/summary.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import { dimensionsOf, type Batch } from '../batches.ts';
import { findInputStage } from '../input-stage.ts';
import { prepare } from '../prepare.ts';
import { quantise, type Quantised, type QuantiseOptions } from '../quantise.ts';
import { correctBiases } from './bias-correction.ts';
import { editLayers, type LayerEdit } from './layers.ts';
import { decibelsOf, noiseOf, referenceOf, type Reference } from './noise.ts';
import { firstBatches, outputOf } from './observe.ts';

/** Everything an 8-bit form of the model follows from. */
export interface Recipe {
  /** The prepared float graph, equalised or not. */
  readonly float: Model;
  readonly exclude: ReadonlySet<string>;
  /** Whether biases take back what quantisation adds. */
  readonly biases: boolean;
  /** Weights and biases that were trained for this graph. */
  readonly learnt: ReadonlyMap<string, LayerEdit> | undefined;
}

export interface Candidate {
  readonly recipe: Recipe;
  readonly quantised: Quantised;
  readonly metric: number;
  readonly sqnrDb: number;
}

export interface WorkbenchOptions extends Omit<QuantiseOptions, 'ranges'> {
  readonly model: Model;
  /** Of the task, higher is better. */
  readonly metric: (model: Model) => Promise<number>;
}

/** Makes and judges 8-bit forms of one model. */
export interface Workbench {
  readonly float: Model;
  readonly options: WorkbenchOptions;
  readonly reference: Reference;
  /** Few examples, for what is asked of every layer. */
  readonly sketch: Reference;
  /** Batches that weights are trained on: others than those of the reference, where there are enough. */
  readonly training: readonly Batch[];
  build(recipe: Recipe): Promise<Candidate>;
  /** This one node in 8 bits and no other. */
  only(recipe: Recipe, name: string): Promise<Quantised>;
  judge(model: Model): Promise<number>;
  /** Share of the work (two for each multiply-add, one for all else) that a node does. */
  share(name: string): number;
  /** Operations that one example takes. */
  readonly flops: number;
}

/** Noise is heard in few examples; the runs for it are many. */
const referenceExamplesMax = 32;
const sketchExamplesMax = 8;
const trainingExamplesMax = 4096;

export async function openWorkbench(options: WorkbenchOptions): Promise<Workbench> {
  const { model, batches, threads, signal, metric, exclude: always = new Set<string>() } = options;
  const float = options.prepared === true ? model : (await prepare(model)).model;
  throwIfCancelled(signal);
  const running = { threads, signal };
  const reference = await referenceOf(float, firstBatches(batches, referenceExamplesMax), running);
  const sketch = await referenceOf(float, firstBatches(batches, sketchExamplesMax), running);
  const all = firstBatches(batches, trainingExamplesMax);
  const rest = all.slice(reference.batches.length);
  const measured = new WeakMap<Model, Pick<Quantised, 'ranges' | 'calibrator'>>();
  const { flops, shares } = workOf(float, reference.batches[0]);

  const form = async (from: Model, exclude: ReadonlySet<string>, eager: boolean): Promise<Quantised> => {
    throwIfCancelled(signal);
    const { onProgress: _, ...rest } = options;
    const quantised = await quantise(from, { ...rest, ...measured.get(from), exclude, eager, prepared: true });
    measured.set(from, quantised);
    return quantised;
  };

  const judge = async (judged: Model): Promise<number> => {
    throwIfCancelled(signal);
    const value = await metric(judged);
    // A metric that cannot be computed is no evidence for the model.
    return Number.isNaN(value) ? -Infinity : value;
  };

  return {
    float,
    options,
    reference,
    sketch,
    flops,
    training: rest.length < reference.batches.length ? all : rest,
    judge,
    share: (name) => shares.get(name) ?? 0,
    build: async (recipe) => {
      const plain = await form(recipe.float, new Set([...always, ...recipe.exclude]), options.eager === true);
      let built = plain.model;
      if (recipe.learnt !== undefined) built = editLayers(built, recipe.learnt);
      else if (recipe.biases) built = (await correctBiases(recipe.float, built, { ...running, batches })).model;
      const quantised = { ...plain, model: built };
      return { recipe, quantised, metric: await judge(built), sqnrDb: decibelsOf(await noiseOf(built, reference, running)) };
    },
    only: (recipe, name) => {
      const { graph } = recipe.float;
      // What makes bytes to floats at the input is exact, and no layer.
      const stage = findInputStage(graph)?.nodes;
      // A bound that follows is part of it: no value beyond it is ever stored.
      const output = outputOf(recipe.float, name);
      const isBound = ({ operator, inputs }: Node): boolean => inputs[0] === output && (operator === 'Relu' || operator === 'Clip');
      const others = graph.nodes.filter((node) => node.name !== name && stage?.has(node) !== true && !isBound(node));
      return form(recipe.float, new Set([...always, ...others.map((node) => node.name)]), true);
    },
  };
}

function workOf(model: Model, batch: Batch | undefined): { flops: number; shares: Map<string, number> } {
  const { nodes, flops } = summariseModel(model, { dimensions: dimensionsOf(model.graph.inputs, batch) });
  const examples = Math.max(1, Object.values(batch ?? {})[0]?.dims[0] ?? 1);
  return { flops: flops / examples, shares: new Map(nodes.map((node) => [node.name, flops === 0 ? 1 / nodes.length : node.flops / flops])) };
}
