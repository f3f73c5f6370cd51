import { numberAttribute, numbersAttribute, textAttribute, type Node, type Tensor } from '../onnx/graph.ts';
import { innerGraphs } from '../onnx/scope.ts';
import type { ValueType } from '../onnx/shape-rules/rule.ts';
import type { FloatReason } from './report.ts';

/**
 * How a node computes with 8 bits.
 * - weighted: with a constant weight, a scale a channel, and a bias of 32 bits
 * - product: of two computed values
 * - kernel: 8-bit inputs, and an output with a scale of its own
 * - sharing: moves values about, so its outputs have the scale of its input
 * - repeat: puts every pixel several times, as bytes
 * - clip: cuts off what its output's range does not hold: for nothing where that is its maker's range
 * - hard-sigmoid: adds a number to its input, whose scale is taken for another
 * - rescale: only the scale changes, no byte does
 */
export type Kind = 'weighted' | 'product' | 'kernel' | 'sharing' | 'repeat' | 'clip' | 'hard-sigmoid' | 'rescale';

export interface Candidate {
  readonly kind: Kind;
  /** The inputs that are taken as 8 bits; the others stay as they are. */
  readonly data: readonly number[];
}

export interface Refusal {
  readonly reason: FloatReason;
  readonly words: string;
}

export interface Facts {
  type(name: string): ValueType | undefined;
  constant(name: string): Tensor | undefined;
}

export const isCandidate = (judged: Candidate | Refusal): judged is Candidate => 'kind' in judged;

type Rule = (node: Node, facts: Facts) => Candidate | string;

const first = [0] as const;
const dataOf = (kind: Kind, data: readonly number[] = first): Candidate => ({ kind, data });

/** What the runtime has 8-bit kernels for, and in which form; a sentence where the form is another. */
const rules: Readonly<Record<string, Rule>> = {
  Conv: (node, facts) => weighted(node, facts, (rank) => (rank === 3 || rank === 4 ? undefined : `only Conv over one or two dimensions has an 8-bit kernel`)),
  MatMul: (node, facts) =>
    facts.constant(node.inputs[1] ?? '') === undefined && facts.constant(node.inputs[0] ?? '') === undefined
      ? dataOf('product', [0, 1])
      : weighted(node, facts, (rank) => (rank === 2 ? undefined : 'its weight is not a matrix')),
  Gemm: (node, facts) => {
    const isPlain = numberAttribute(node, 'alpha', 1) === 1 && numberAttribute(node, 'beta', 1) === 1 && numberAttribute(node, 'transA', 0) === 0;
    return isPlain ? weighted(node, facts, () => undefined) : 'it scales or transposes what it multiplies';
  },
  Add: binary,
  Mul: (node, facts) => (scaleOf(node, facts) === undefined ? binary(node, facts) : dataOf('rescale', [constantSide(node, facts) === 0 ? 1 : 0])),
  Relu: () => dataOf('clip'),
  Clip: (node, facts) => (clipBounds(node, facts) === undefined ? 'its bounds are computed, or leave out zero' : dataOf('clip')),
  LeakyRelu: () => dataOf('kernel'),
  Sigmoid: () => dataOf('kernel'),
  HardSigmoid: (node) => (numberAttribute(node, 'alpha', 0.2) > 0 ? dataOf('hard-sigmoid') : 'it does not rise'),
  Softmax: () => dataOf('kernel'),
  AveragePool: spatial('kernel'),
  GlobalAveragePool: spatial('kernel'),
  MaxPool: (node, facts) => (node.outputs.length > 1 ? 'it gives the places of the maxima' : spatial('sharing')(node, facts)),
  Concat: (node, facts) =>
    node.inputs.some((name) => facts.constant(name) !== undefined)
      ? 'a part of it is constant'
      : dataOf(
          'kernel',
          node.inputs.map((_, index) => index),
        ),
  Where: (node, facts) => (node.inputs.slice(1).some((name) => facts.constant(name) !== undefined) ? 'one side of it is constant' : dataOf('kernel', [1, 2])),
  Resize: (node, facts) => {
    if (textAttribute(node, 'mode', 'nearest') !== 'nearest') return 'only Resize to the nearest has an 8-bit kernel';
    if (textAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize') return 'it also crops';
    return spatial(repeatsOf(node, facts) === undefined ? 'sharing' : 'repeat')(node, facts);
  },
  Slice: fixed,
  Transpose: () => dataOf('sharing'),
  DepthToSpace: () => dataOf('sharing'),
  Split: fixed,
  Gather: (node, facts) => (facts.constant(node.inputs[0] ?? '') === undefined ? dataOf('sharing') : 'it reads from a constant table'),
  Reshape: fixed,
  Flatten: () => dataOf('sharing'),
  Squeeze: fixed,
  Unsqueeze: fixed,
};

function fixed(): Candidate {
  return dataOf('sharing');
}

function spatial(kind: Kind): Rule {
  return (node, { type }) => {
    const rank = type(node.inputs[0] ?? '')?.dims.length ?? 0;
    // Over one dimension the runtime falls back to kernels that are slower than float.
    if (rank !== 4) return `only ${node.operator} over two dimensions has an 8-bit kernel`;
    return numbersAttribute(node, 'dilations', []).some((dilation) => dilation !== 1) ? 'it is dilated' : dataOf(kind);
  };
}

function weighted(node: Node, { constant }: Facts, fault: (rank: number) => string | undefined): Candidate | string {
  const [input = '', weight = '', bias = ''] = node.inputs;
  const tensor = constant(weight);
  if (constant(input) !== undefined) return 'its input is constant';
  if (tensor?.type !== 'float32') return 'its weight is computed';
  const channels = tensor.dims[channelAxis(node, tensor.dims.length)] ?? 0;
  if (bias !== '' && constant(bias)?.data.length !== channels) return 'its bias is not one number a channel';
  return fault(tensor.dims.length) ?? dataOf('weighted');
}

function binary(node: Node, { constant }: Facts): Candidate | string {
  const values = node.inputs.map((name) => constant(name));
  const computed = values.flatMap((tensor, index) => (tensor === undefined ? [index] : []));
  if (computed.length === 0) return 'both of its sides are constant';
  const given = values.find((tensor) => tensor !== undefined);
  if (given !== undefined && !(given.data as Float32Array).every(Number.isFinite)) return 'its constant is not finite';
  return dataOf('kernel', [0, 1]);
}

/** The side of a binary operator that is constant. */
export const constantSide = (node: Node, { constant }: Facts): number => node.inputs.findIndex((name) => constant(name) !== undefined);

/** The one positive number a Mul multiplies by. */
export function scaleOf(node: Node, facts: Facts): number | undefined {
  const side = constantSide(node, facts);
  const tensor = facts.constant(node.inputs[side] ?? '');
  const factor = tensor?.data.length === 1 ? Number(tensor.data[0]) : 0;
  // A constant of more dimensions than the value would add dimensions to it.
  const rank = facts.type(node.inputs[1 - side] ?? '')?.dims.length ?? 0;
  return tensor !== undefined && factor > 1e-6 && factor < 1e6 && tensor.dims.length <= rank ? factor : undefined;
}

/** How often a Resize puts every row and column, where that is all it does. */
export function repeatsOf(node: Node, { constant }: Facts): { rows: number; columns: number } | undefined {
  const [samples = 0, channels = 0, rows = 0, columns = 0] = (constant(node.inputs[2] ?? '')?.data ?? []) as Float32Array;
  const isWhole = samples === 1 && channels === 1 && [rows, columns].every((times) => Number.isInteger(times) && times >= 1 && times <= repeatsMax);
  const places = textAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const rounding = textAttribute(node, 'nearest_mode', 'round_prefer_floor');
  const isEven = (places === 'asymmetric' && rounding === 'floor') || (places.endsWith('half_pixel') && rounding.startsWith('round_prefer'));
  return isWhole && isEven && node.attributes['axes'] === undefined ? { rows, columns } : undefined;
}
const repeatsMax = 32;

/** What a Relu or Clip leaves, where that holds zero. */
export function clipBounds(node: Node, { constant }: Facts): { low: number; high: number } | undefined {
  if (node.operator === 'Relu') return { low: 0, high: Infinity };
  const [low, high] = node.inputs.slice(1).map((name) => (name === '' ? 'none' : (constant(name)?.data[0] ?? 'computed')));
  if (low === 'computed' || high === 'computed') return undefined;
  const bounds = { low: low === undefined || low === 'none' ? -Infinity : Number(low), high: high === undefined || high === 'none' ? Infinity : Number(high) };
  return bounds.low <= 0 && bounds.high >= 0 && bounds.low < bounds.high ? bounds : undefined;
}

/** The dimension of a weight that counts its output channels. */
export function channelAxis(node: Node, rank: number): number {
  if (node.operator === 'Conv') return 0;
  if (node.operator === 'MatMul') return rank - 1;
  return numberAttribute(node, 'transB', 0) === 1 ? 0 : 1;
}

/** Whether a node can compute with 8 bits by its own form; whether it should is for the plan. */
export function judgeOperator(node: Node, facts: Facts): Candidate | Refusal {
  const { operator, domain } = node;
  if (domain !== '' && domain !== 'ai.onnx') return { reason: 'domain', words: `${domain}:${operator} is not of the standard operator set` };
  if (innerGraphs(node).length > 0) return { reason: 'operator', words: `${operator} holds a graph of its own` };
  const rule = Object.hasOwn(rules, operator) ? rules[operator] : undefined;
  const values = [...node.inputs, ...node.outputs].filter((name) => name !== '').map((name) => ({ name, type: facts.type(name) }));
  const unknown = values.find(({ type }) => type === undefined);
  if (rule === undefined) {
    const isFloat = values.some(({ type }) => type === undefined || type.type === 'float32');
    return isFloat ? { reason: 'operator', words: `${operator} has no 8-bit kernel` } : { reason: 'type', words: 'it does not compute with float32' };
  }
  if (unknown !== undefined) return { reason: 'shape', words: `the shape of ${unknown.name} is known only at run time` };
  const judged = rule(node, facts);
  if (typeof judged === 'string') return { reason: 'form', words: judged };
  const taken = [...judged.data.map((index) => node.inputs[index] ?? ''), ...node.outputs];
  const other = taken.find((name) => name !== '' && facts.type(name)?.type !== 'float32');
  return other === undefined ? judged : { reason: 'type', words: `${other} is ${facts.type(other)?.type}, not float32` };
}
