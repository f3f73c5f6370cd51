import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder } from '../onnx/builder.ts';
import { checkModel } from '../onnx/check.ts';
import { createModel, type Dimension, type Graph, type Model, type Tensor } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { renameReads } from '../onnx/scope.ts';
import { invalid, listOf, quote, unsupported } from './config.ts';
import { layerKinds } from './layer-kinds.ts';
import type { Build } from './layer.ts';
import { planCalls, type Call } from './plan.ts';
import { createSheet, type Sheet } from './sheet.ts';
import { inputClass, shapeSetting, type LayerSpec, type Network } from './topology.ts';
import { inLayout, valueOf, type Value } from './values.ts';

export interface ImportOptions {
  /** Recurrent layers step by step: slower, but they can be trained further. Needs a fixed number of steps. */
  readonly unroll?: boolean;
}

export interface ImportedModel {
  readonly model: Model;
  /** How many layers of each class came in. */
  readonly layers: ReadonlyMap<string, number>;
  /** Inputs whose values count rows of a table, and how many rows that has. */
  readonly rows: ReadonlyMap<string, number>;
}

export const batchName = 'N';
/** More say nothing new. */
const namedMax = 20;
const runsMax = 100_000;

/** The ONNX model that computes what a Layers model does. */
export function importNetwork(network: Network, weights: ReadonlyMap<string, Tensor>, { unroll = false }: ImportOptions = {}): ImportedModel {
  const problems: SerinError[] = [];
  const layers = new Map<string, number>();
  const builds = readLayers(network, layers, problems);
  refuse(problems);

  const builder = createGraphBuilder(
    network.name,
    [...network.inputs, ...network.outputs].map(({ layer }) => layer),
  );
  const sheet = createSheet(builder, weights, unroll);
  const inputs = network.inputs.map(({ layer }) => readInput(network, layer, sheet));
  const twice = inputs.find(({ input }, index) => inputs.findIndex((other) => other.input === input) < index);
  if (twice !== undefined) throw invalid(`the input ${quote(twice.input ?? '')} is listed twice`);
  const outputs = runNetwork({ builds, sheet, problems, runsLeft: runsMax }, network, inputs, '');
  refuse(problems);
  const unused = sheet.unusedWeights();
  if (unused.length > 0) throw invalid(`no layer takes the weights ${unused.slice(0, namedMax).map(quote).join(', ')}`);

  const graph = finish(sheet, network, outputs as readonly Value[]);
  const model = checkModel(removeDeadCode(createModel(graph, { source: 'tfjs-layers' })));
  const isOpen = model.graph.inputs.some(({ dims }) => dims.some((dim) => typeof dim === 'string' && dim !== batchName));
  // Where sizes are open, any that kernels fit into will do, and some will not.
  inferModel(model, { dimensions: { [batchName]: 1 }, otherwise: 64, tolerant: isOpen });
  return { model, layers, rows: sheet.rows };
}

/** All that is not supported at once. */
function refuse(problems: readonly SerinError[]): void {
  if (problems.length === 0) return;
  const lines = [...new Set(problems.map(({ detail = '', hint }) => `${detail} (${hint})`))];
  const more = lines.length > namedMax ? `; and ${lines.length - namedMax} more` : '';
  throw unsupported(`${lines.slice(0, namedMax).join('; ')}${more}`, 'Change these layers, or convert the model with tf2onnx');
}

const noting = <Result>(problems: SerinError[], act: () => Result): Result | undefined => {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SerinError) || error.code !== 'MODEL_UNSUPPORTED') throw error;
    problems.push(error);
    return undefined;
  }
};

/** What builds each layer, in nested models too. */
function readLayers(network: Network, counts: Map<string, number>, problems: SerinError[], builds = new Map<LayerSpec, Build>()): Map<LayerSpec, Build> {
  for (const layer of network.layers) {
    if (layer.className === inputClass) continue;
    counts.set(layer.className, (counts.get(layer.className) ?? 0) + 1);
    if (layer.network !== undefined) readLayers(layer.network, counts, problems, builds);
    else noting(problems, () => builds.set(layer, ruleOf(layer)));
  }
  return builds;
}

function ruleOf(layer: LayerSpec): Build {
  const { className, config } = layer;
  const kind = Object.hasOwn(layerKinds, className) ? layerKinds[className] : undefined;
  if (kind === undefined) throw unsupported(`${config.title}: no layer of this class is known`, 'docs/tfjs.md lists those that are');
  return kind.rule(config, layer, ruleOf);
}

/** An input of the whole model; it stays as tfjs has it, channels last. */
function readInput(network: Network, name: string, { builder }: Sheet): Value {
  const layer = network.layers.find((each) => each.name === name && each.className === inputClass);
  if (layer === undefined) throw invalid(`there is no input layer ${quote(name)}`);
  const shape = shapeSetting(layer.config);
  const what = `the shape of the input ${quote(name)}`;
  if (shape === undefined) throw invalid(`${what} is not given`, 'Give the first layer an inputShape, and save the model again');
  const dims = listOf(shape, what, 8).map((dim) => {
    if (dim === null) return null;
    if (!Number.isInteger(dim) || Number(dim) < 1 || Number(dim) > 2 ** 31) throw invalid(`${what} is not one of whole numbers`);
    return Number(dim);
  });
  if (dims.length === 0) throw invalid(`${what} has no batch`);
  const type = layer.config.choice('dtype', ['float32', 'int32'] as const, 'float32');
  builder.input(name, type, openNames(name, dims));
  return { ...valueOf(name, dims, 'plain', type), input: name };
}

const openNames = (name: string, dims: readonly (number | null)[]): Dimension[] => dims.map((dim, axis) => dim ?? (axis === 0 ? batchName : `${name}_${axis}`));

interface Runner {
  readonly builds: ReadonlyMap<LayerSpec, Build>;
  readonly sheet: Sheet;
  readonly problems: SerinError[];
  /** Nested models that are called over and over must not grow without end. */
  runsLeft: number;
}

/** The outputs of a network called with these inputs; undefined behind a layer that is not supported. */
function runNetwork(runner: Runner, network: Network, inputs: readonly (Value | undefined)[], path: string): (Value | undefined)[] {
  const results = new Map<string, readonly (Value | undefined)[]>();
  if (inputs.length !== network.inputs.length) throw invalid(`${quote(network.name)} takes ${network.inputs.length} inputs, found ${inputs.length}`);
  network.inputs.forEach(({ layer }, index) => results.set(keyOf(layer, 0), [inputs[index]]));
  const take = ({ layer, call, output }: Call['sources'][number]): Value | undefined => {
    const made = results.get(keyOf(layer, call));
    if (made === undefined || output >= made.length) throw invalid(`nothing makes result ${output} of call ${call} of ${quote(layer)}`);
    return made[output];
  };
  for (const call of planCalls(network)) {
    runner.runsLeft -= 1;
    if (runner.runsLeft < 0) throw invalid(`its layers are called more than ${runsMax} times`);
    results.set(keyOf(call.layer.name, call.index), runLayer(runner, call.layer, call.sources.map(take), path));
  }
  return network.outputs.map(take);
}

const keyOf = (layer: string, call: number): string => `${call}/${layer}`;

function runLayer(runner: Runner, layer: LayerSpec, inputs: readonly (Value | undefined)[], path: string): readonly (Value | undefined)[] {
  const own = `${path}${layer.name}`;
  if (layer.network !== undefined) return runNetwork(runner, layer.network, inputs, `${own}/`);
  const build = runner.builds.get(layer);
  const given = inputs.filter((value) => value !== undefined);
  const lost = Array.from({ length: outputsMax }, () => undefined);
  if (build === undefined || given.length < inputs.length) return lost;
  return noting(runner.problems, () => applyLayer(runner.sheet, layer, build, given, own)) ?? lost;
}
/** No layer gives more. */
const outputsMax = 8;

function applyLayer(sheet: Sheet, layer: LayerSpec, build: Build, inputs: readonly Value[], path: string): readonly Value[] {
  const { masks, takesIntegers } = layerKinds[layer.className] ?? {};
  const { title } = layer.config;
  const marked = inputs.find(({ mask }) => mask !== undefined);
  if (marked !== undefined && masks === undefined) {
    throw unsupported(
      `${title}: steps to be skipped (maskZero, Masking) reach it`,
      'tfjs refuses that too: skip steps in front of recurrent layers only, or not at all',
    );
  }
  const context = sheet.contextOf(title, layer.name, path, takesIntegers === true ? inputs : inputs.map((value) => sheet.asFloat(value, path)));
  const results = build(context);
  return masks === 'carries' && marked?.mask !== undefined ? results.map((result) => ({ ...result, mask: marked.mask as string })) : results;
}

/** The graph with its outputs under the names of the layers they come from. */
function finish({ builder, adder }: Sheet, network: Network, outputs: readonly Value[]): Graph {
  const taken = new Set(network.inputs.map(({ layer }) => layer));
  const renamed = new Map<string, string>();
  outputs.forEach((value, index) => {
    const layer = network.outputs[index]?.layer ?? '';
    const name = taken.has(layer) ? builder.fresh(`${layer}_${index}`) : layer;
    taken.add(name);
    const made = inLayout(value, 'plain', adder(layer));
    // What is an input, or an output already, keeps its name.
    const free = renamed.has(made) || value.input !== undefined ? builder.add('Identity', [made], {}, [builder.fresh(`${layer}/Identity`)]) : made;
    renamed.set(free, name);
    builder.output(name, value.type, openNames(name, value.dims));
  });
  const graph = builder.finish();
  const nodes = graph.nodes.map((node) => {
    const read = renameReads(node, renamed);
    const outputNames = node.outputs.map((output) => renamed.get(output) ?? output);
    return { ...read, name: outputNames[0] ?? read.name, outputs: outputNames };
  });
  return { ...graph, nodes };
}
