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

/** Pixels are also brought into the order that 8-bit kernels want, channels last. */
const conversion = { quantise: 0.15, dequantise: 0.14, call: 1500, reorder: 0.07, reorderCall: 2000 };

function converted(dims: readonly number[], each: number): number {
  const hasPixels = dims.length === 4 && elementCount(dims.slice(2)) > 1;
  return elementCount(dims) * (each + (hasPixels ? conversion.reorder : 0)) + conversion.call + (hasPixels ? conversion.reorderCall : 0);
}
export const quantiseCost = (dims: readonly number[]): number => converted(dims, conversion.quantise);
export const dequantiseCost = (dims: readonly number[]): number => converted(dims, conversion.dequantise);

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
  MaxPool: { float: 0.24, bytes: 3.3 },
  Concat: { float: 0.15, bytes: 0.1 },
  Where: { float: 0.2, bytes: 0.3 },
  // With 8-bit neighbours its channels lie last, for which it is slow in float as well; with float ones it takes a third of this.
  Resize: { float: 1, bytes: 0.95 },
  Slice: { float: 0.15, bytes: 0.05 },
  Split: { float: 0.15, bytes: 0.05 },
  Transpose: { float: 0.18, bytes: 0.07 },
  DepthToSpace: { float: 2.9, bytes: 2.3 },
  Gather: { float: 0.15, bytes: 0.05 },
};
/** The runtime makes these part of the float Conv they follow. */
const fusedWithConv: ReadonlySet<string> = new Set(['Relu', 'Clip', 'Sigmoid', 'LeakyRelu', 'HardSigmoid']);
const fusedShare = 0.3;

/** Weights in 8 bits are a quarter to send and to keep: where both kernels are as fast, and with few channels even where not, that decides. */
const smallerShare = 0.85;

/** A start of a kernel, whatever it does. */
const perCall = 1000;
const convCall: Cost = { float: 3000, bytes: 5000 };
/** An 8-bit product with a number a channel goes pixel by pixel. */
const perPixel = 27;

export interface Beside {
  /** The operator whose result the node alone reads. */
  readonly follows: string | undefined;
  /** Operators that read its result. */
  readonly readers: readonly string[];
}

/** These want the channels where they were, so that the runtime leaves them there for the pooling before them, whose kernel for that is a slow one. */
const movers: ReadonlySet<string> = new Set([
  'GlobalAveragePool',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Slice',
  'Gather',
  'DepthToSpace',
]);
const pooledLast = 0.15;
const repeatedLast = 0.15;

/** What a node takes in float and with 8 bits. */
export function costOf(node: Node, candidate: Candidate, facts: Facts, { follows, readers }: Beside): Cost {
  const dims = facts.type(node.outputs[0] ?? '')?.dims ?? [];
  if (candidate.kind === 'product') return matrixCost(node, facts, elementCount(dims));
  if (candidate.kind === 'weighted') return node.operator === 'Conv' ? convCost(node, facts, dims) : smaller(matrixCost(node, facts, elementCount(dims)));
  const elements = Math.max(elementCount(facts.type(node.inputs[0] ?? '')?.dims ?? []), elementCount(dims));
  const { float, bytes: usual } = perElement[node.operator] ?? { float: 0, bytes: 0 };
  const isLast = node.operator === 'MaxPool' && readers.length > 0 && !readers.some((reader) => movers.has(reader));
  const bytes = candidate.kind === 'repeat' ? repeatedLast : isLast ? pooledLast : usual;
  const share = follows === 'Conv' && fusedWithConv.has(node.operator) ? fusedShare : 1;
  const isFree = candidate.kind === 'rescale' || (candidate.kind === 'clip' && follows !== undefined);
  const pixels = candidate.kind === 'kernel' && isByChannel(node, facts) ? (elements / (dims[1] ?? 1)) * perPixel : 0;
  return { float: elements * float * share + (float > 0 ? perCall : 0), bytes: isFree ? 0 : Math.max(pixels, elements * bytes) + (bytes > 0 ? perCall : 0) };
}

const smaller = ({ float, bytes }: Cost): Cost => ({ float, bytes: Math.min(bytes, float * smallerShare) });

/** Whether one side is a picture and the other a number for each of its channels. */
function isByChannel(node: Node, facts: Facts): boolean {
  const sides = node.inputs.map((name) => facts.type(name)?.dims ?? []);
  return sides.length === 2 && sides.every((dims) => dims.length === 4) && sides.some(([, , height, width]) => height === 1 && width === 1);
}

function matrixCost(node: Node, facts: Facts, outputs: number): Cost {
  const depth = facts.type(node.inputs[0] ?? '')?.dims.at(-1) ?? 1;
  return { float: outputs * depth * 0.018 + perCall, bytes: outputs * (depth * 0.0045 + 0.1) + perCall };
}

function convCost(node: Node, facts: Facts, dims: readonly number[]): Cost {
  const outputs = elementCount(dims);
  const [channels = 1, perGroup = 1, ...kernel] = facts.type(node.inputs[1] ?? '')?.dims ?? [];
  const taps = elementCount(kernel);
  const depth = perGroup * taps;
  const withCall = ({ float, bytes }: Cost): Cost => ({ float: float + convCall.float, bytes: bytes + convCall.bytes });
  const group = numberAttribute(node, 'group', 1);
  // Blocked float kernels are good at depthwise convolution, 8-bit ones only at that of many channels, in sixteens.
  if (group > 1 && perGroup === 1) {
    const each = channels % 16 === 0 ? 0.036 : 0.068;
    return withCall({ float: outputs * depth * 0.028, bytes: (outputs / channels) * taps * (1 + each * channels) });
  }
  if (group > 1) return withCall(smaller({ float: outputs * depth * 0.022, bytes: outputs * depth * 0.015 }));
  const gathered = taps > 1 ? (taps * 2) / channels : 0;
  return withCall(smaller({ float: outputs * depth * (perGroup < 8 ? 0.04 : 0.0178), bytes: outputs * (depth * 0.0042 + 0.1 + gathered) }));
}
