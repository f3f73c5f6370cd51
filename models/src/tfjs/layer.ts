import { elementCount, longs, scalar, type Attribute, type Tensor } from '../onnx/graph.ts';
import { invalid, type Config } from './config.ts';
import type { LayerSpec } from './topology.ts';
import { homeOf, inLayout, valueOf, type AddNode, type Dims, type Layout, type Value } from './values.ts';

/** What a layer builds its part of the graph with. */
export interface LayerContext {
  readonly title: string;
  readonly inputs: readonly Value[];
  readonly add: AddNode;
  /** A node with several results. */
  addAll(operator: string, inputs: readonly string[], results: number, attributes?: Record<string, Attribute>): readonly string[];
  /** Recurrent layers are to be written step by step. */
  readonly unrolls: boolean;
  /** A weight of this layer; its shape must be this one, with any size where null stands. */
  weight(name: string, dims: Dims): Tensor;
  /** Stores what is made of weights under a name of this layer; once, however often the layer is called. */
  store(name: string, make: () => Tensor): string;
  constant(tensor: Tensor): string;
  /** Says that the values of an input of the model count rows of a table of this size. */
  indexes(input: string, rows: number): void;
  /** The same with other inputs, and weights under another scope below this one. */
  within(scope: string, inputs: readonly Value[]): LayerContext;
}

export type Build = (context: LayerContext) => readonly Value[];

/** Reads the settings of a layer, refusing what has no equal, and returns what builds it. */
export type LayerRule = (config: Config, spec: LayerSpec, ruleOf: (spec: LayerSpec) => Build) => Build;

/** A layer of one class. */
export interface LayerKind {
  readonly rule: LayerRule;
  /** What it does with steps to be skipped: carries the mark on (as tfjs does), handles it itself, or cannot take it. */
  readonly masks?: 'carries' | 'handles';
  /** Takes whole numbers as they are; others get floats. */
  readonly takesIntegers?: true;
}

export function input(context: LayerContext, rank?: number): Value {
  const [value] = context.inputs;
  if (value === undefined || context.inputs.length > 1) throw invalid(`${context.title} has ${context.inputs.length} inputs instead of one`);
  if (rank !== undefined && value.dims.length !== rank) throw invalid(`${context.title} takes ${rank} dimensions, found ${shapeText(value.dims)}`);
  return value;
}

export const shapeText = (dims: Dims): string => `[${dims.map((dim) => dim ?? '?').join(', ')}]`;

export const plain = (context: LayerContext, value: Value): string => inLayout(value, 'plain', context.add);

/** A size that must be known to go on. */
export function known(context: LayerContext, dims: Dims, axis: number): number {
  const size = dims.at(axis) ?? undefined;
  if (size === undefined)
    throw invalid(`${context.title} needs to know the size of its input ${shapeText(dims)} along axis ${axis}`, 'Give the input of the model a fixed shape');
  return size;
}

/** An axis counted from the front. */
export function axisOf(context: LayerContext, axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis;
  if (counted < 0 || counted >= rank) throw invalid(`${context.title} speaks of axis ${axis} of ${rank}`);
  return counted;
}

/** Applies to every element alone, so in whatever layout the value is. */
export function elementwise(context: LayerContext, value: Value, act: (name: string, layout: Layout) => string): Value {
  const layout = homeOf(value);
  return valueOf(act(value.forms.get(layout) ?? '', layout), value.dims, layout);
}

export const number = (context: LayerContext, value: number): string => context.constant(scalar(value));
export const list = (context: LayerContext, values: readonly number[]): string => context.constant(longs(values));

/** The tensor with its axes in another order. */
export function permuted(tensor: Tensor, order: readonly number[]): Tensor<'float32'> {
  const { dims } = tensor;
  const target = order.map((axis) => dims[axis] ?? 1);
  const steps = dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
  const source = tensor.data as Float32Array;
  const data = new Float32Array(source.length);
  const index = target.map(() => 0);
  for (let place = 0; place < data.length; place += 1) {
    let from = 0;
    for (let axis = 0; axis < order.length; axis += 1) from += (index[axis] ?? 0) * (steps[order[axis] ?? 0] ?? 0);
    data[place] = source[from] ?? 0;
    for (let axis = target.length - 1; axis >= 0; axis -= 1) {
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next === target[axis] ? 0 : next;
      if (next !== target[axis]) break;
    }
  }
  return { type: 'float32', dims: target, data };
}

export const reshaped = (tensor: Tensor, dims: readonly number[]): Tensor => ({ ...tensor, dims });
