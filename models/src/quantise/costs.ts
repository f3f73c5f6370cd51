import { elementCount, numberAttribute, type Node } from '../onnx/graph.ts';
import type { Candidate, Facts } from './operators.ts';

/**
 * Nanoseconds, measured with one thread on an x64 processor with VNNI. Only their relations matter, and they are much the
 * same elsewhere; whether a quantised model is faster at all is measured before it is used.
 */
export interface Cost {
  readonly float: number;
  readonly bytes: number;
}

/** An element of four dimensions is also brought into the order that 8-bit kernels want, channels last. */
const conversion = { quantise: 0.15, dequantise: 0.14, reorder: 0.07 };

export const quantiseCost = (dims: readonly number[]): number => elementCount(dims) * (conversion.quantise + (dims.length === 4 ? conversion.reorder : 0));
export const dequantiseCost = (dims: readonly number[]): number => elementCount(dims) * (conversion.dequantise + (dims.length === 4 ? conversion.reorder : 0));

/** An element of the output, or of the input where that is larger. */
const perElement: Readonly<Record<string, Cost>> = {
  Add: { float: 0.18, bytes: 0.17 },
  Mul: { float: 0.18, bytes: 0.25 },
  Relu: { float: 0.13, bytes: 0.05 },
  Clip: { float: 0.13, bytes: 0.05 },
  LeakyRelu: { float: 0.15, bytes: 0.28 },
  Sigmoid: { float: 0.33, bytes: 0.28 },
  HardSigmoid: { float: 0.18, bytes: 0.11 },
  Softmax: { float: 0.62, bytes: 2.66 },
  AveragePool: { float: 0.24, bytes: 0.2 },
  GlobalAveragePool: { float: 0.2, bytes: 0.06 },
  MaxPool: { float: 0.24, bytes: 0.1 },
  Concat: { float: 0.15, bytes: 0.1 },
  Where: { float: 0.2, bytes: 0.3 },
  Resize: { float: 0.32, bytes: 0.15 },
  Slice: { float: 0.15, bytes: 0.05 },
  Split: { float: 0.15, bytes: 0.05 },
  Transpose: { float: 0.18, bytes: 0.07 },
  DepthToSpace: { float: 0.18, bytes: 0.1 },
  Gather: { float: 0.15, bytes: 0.05 },
};
/** The runtime makes these part of the float Conv they follow. */
const fusedWithConv: ReadonlySet<string> = new Set(['Relu', 'Clip', 'Sigmoid', 'LeakyRelu', 'HardSigmoid']);
const fusedShare = 0.3;

/** Weights in 8 bits are a quarter to send and to keep: where both kernels are as fast, and with few channels even where not, that decides. */
const smallerShare = 0.85;

/** A start of a kernel, whatever it does. */
const perCall = 500;

/** What a node takes in float and with 8 bits; `follows`: the operator whose result it alone reads. */
export function costOf(node: Node, candidate: Candidate, facts: Facts, follows: string | undefined): Cost {
  const sizes = [...node.inputs, ...node.outputs].map((name) => elementCount(facts.type(name)?.dims ?? [0]));
  const outputs = elementCount(facts.type(node.outputs[0] ?? '')?.dims ?? []);
  if (candidate.kind === 'product') return productCost(node, facts, outputs);
  if (candidate.kind === 'weighted') {
    const { float, bytes } = productCost(node, facts, outputs);
    return { float, bytes: Math.min(bytes, float * smallerShare) };
  }
  const elements = Math.max(...sizes.slice(0, 1), outputs);
  const { float, bytes } = perElement[node.operator] ?? { float: 0, bytes: 0 };
  const share = follows === 'Conv' && fusedWithConv.has(node.operator) ? fusedShare : 1;
  const isFree = candidate.kind === 'rescale' || (candidate.kind === 'clip' && follows !== undefined);
  return { float: elements * float * share + (float > 0 ? perCall : 0), bytes: isFree ? 0 : elements * bytes + (bytes > 0 ? perCall : 0) };
}

function productCost(node: Node, facts: Facts, outputs: number): Cost {
  if (node.operator !== 'Conv') {
    const dims = facts.type(node.inputs[0] ?? '')?.dims ?? [];
    const depth = dims.at(-1) ?? 1;
    return { float: outputs * depth * 0.018 + perCall, bytes: outputs * (depth * 0.0045 + 0.1) + perCall };
  }
  const [, perGroup = 1, ...kernel] = facts.type(node.inputs[1] ?? '')?.dims ?? [];
  const taps = elementCount(kernel);
  const depth = perGroup * taps;
  const group = numberAttribute(node, 'group', 1);
  if (group > 1) {
    // Blocked float kernels are good at depthwise convolution, 8-bit ones less so.
    const rates = perGroup === 1 ? { float: 0.028, bytes: 0.055 } : { float: 0.022, bytes: 0.015 };
    return { float: outputs * depth * rates.float + perCall, bytes: outputs * depth * rates.bytes + perCall };
  }
  const channels = facts.type(node.inputs[1] ?? '')?.dims[0] ?? 1;
  const gather = taps > 1 ? (taps * 2) / channels : 0;
  return { float: outputs * depth * (perGroup < 8 ? 0.04 : 0.0178) + perCall, bytes: outputs * (depth * 0.0042 + 0.1 + gather) + perCall };
}
