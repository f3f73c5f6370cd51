import { SerinError, asSerinError } from '@serin/protocol/errors';

import { modelLimits } from './check.ts';
import { elementCount, type Dimension, type Model, type Node, type Tensor, type ValueInfo } from './graph.ts';
import { nodeTitle, type ValueType } from './shape-rules/rule.ts';
import { evaluateNode, shapeValuesMax } from './shape-values.ts';
import { inferNode } from './shapes.ts';

export interface InferOptions {
  /** Sizes of free dimensions, by name. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** The size of those not named; without it they stay open, and what depends on them unknown. */
  readonly otherwise?: number;
  /** Lists what cannot be inferred instead of failing at the first of it. */
  readonly tolerant?: boolean;
  readonly elementsMax?: number;
}

/** Reasons are listed for so many nodes. */
const unknownMax = 1000;
/** Elements times inputs that are evaluated in all: exporters need a few thousand. */
const effortMax = 2 ** 20;

/** A node whose outputs are unknown. Those that only follow from it are not listed again. */
export interface Unknown {
  readonly node: Node;
  readonly reason: SerinError;
}

export interface InferredModel {
  /** Element type and shape of every value that is known. */
  readonly types: ReadonlyMap<string, ValueType>;
  /** Weights, and short values that follow from shapes alone. */
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly unknown: readonly Unknown[];
}

/** The types of all values of a graph. Nodes must be in order, as `checkModel` leaves them. */
export function inferModel(model: Model, options: InferOptions = {}): InferredModel {
  const { tolerant = false, elementsMax = modelLimits.elementsMax } = options;
  const { graph } = model;
  const types = new Map<string, ValueType>();
  const constants = new Map<string, Tensor>(graph.initialisers);
  /** Rules ask for values as numbers: only short ones, however long the weights are. */
  const short = new Map<string, Tensor>();
  const unknown: Unknown[] = [];
  let effortLeft = effortMax;

  const define = (name: string, type: ValueType, what: string): void => {
    refuseShape(type, what, elementsMax);
    types.set(name, type);
  };
  for (const input of graph.inputs) {
    const dims = bindDims(input, options);
    if (dims !== undefined) define(input.name, { type: input.type, dims }, `input ${input.name}`);
    else if (!tolerant) throw openDimension(input, options);
  }
  for (const [name, tensor] of graph.initialisers) {
    types.set(name, { type: tensor.type, dims: tensor.dims });
    if (tensor.data.length <= shapeValuesMax) short.set(name, tensor);
  }

  for (const node of graph.nodes) {
    const follows = node.inputs.some((name) => name !== '' && !types.has(name));
    if (follows && tolerant) continue;
    let outputs: readonly ValueType[];
    try {
      outputs = inferNode(node, types, short);
    } catch (thrown) {
      const reason = asSerinError(thrown, 'MODEL_INVALID');
      if (!tolerant) throw reason;
      if (unknown.length < unknownMax) unknown.push({ node, reason });
      continue;
    }
    node.outputs.forEach((name, index) => {
      const type = outputs[index];
      if (name !== '' && type !== undefined) define(name, type, `${nodeTitle(node)}: its result ${name}`);
    });
    if (effortLeft <= 0 && node.operator !== 'Constant') continue;
    const values = evaluateNode(node, outputs.slice(0, node.outputs.length), types, short);
    if (values !== undefined && node.operator !== 'Constant') effortLeft -= (node.inputs.length + 1) * values.reduce((sum, { data }) => sum + data.length, 1);
    node.outputs.forEach((name, index) => {
      const value = values?.[index];
      if (name === '' || value === undefined) return;
      constants.set(name, value);
      if (value.data.length <= shapeValuesMax) short.set(name, value);
    });
  }
  return { types, constants, unknown };
}

function refuseShape({ dims }: ValueType, what: string, elementsMax: number): void {
  if (!dims.every((dim) => Number.isInteger(dim) && dim >= 0)) {
    throw new SerinError('MODEL_INVALID', { detail: `${what} has the impossible shape [${dims.join(', ')}]` });
  }
  if (dims.length > modelLimits.rankMax || elementCount(dims) > elementsMax) {
    throw new SerinError('MODEL_INVALID', {
      detail: `${what} has the shape [${dims.join(', ')}], more than the limit of ${elementsMax} elements`,
      hint: 'Make the value smaller, or raise the limit',
    });
  }
}

const sizeOf = (dim: Dimension, { dimensions = {}, otherwise }: InferOptions): number | undefined =>
  typeof dim === 'number' ? dim : Object.hasOwn(dimensions, dim) ? dimensions[dim] : otherwise;

/** The shape of an input at these sizes; undefined while some of it is open. */
export function bindDims(input: ValueInfo, options: InferOptions): number[] | undefined {
  if (input.anyShape === true) return undefined;
  const dims = input.dims.map((dim) => sizeOf(dim, options));
  return dims.every((dim) => dim !== undefined) ? dims : undefined;
}

function openDimension(input: ValueInfo, options: InferOptions): SerinError {
  const open = input.dims.find((dim) => sizeOf(dim, options) === undefined);
  return new SerinError('MODEL_INVALID', {
    detail: open === undefined ? `the shape of ${input.name} is not declared` : `dimension ${open} of ${input.name} has no size`,
    hint: 'Say how large it is, or export the model with fixed shapes',
  });
}
