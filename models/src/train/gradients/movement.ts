import { SerinError } from '@serin/protocol/errors';

import { int, ints, numberAttribute, text, textAttribute, type Tensor } from '../../onnx/graph.ts';
import { padsOf, permutation, slicedAxes } from '../../onnx/shape-rules/movement.ts';
import { at, axisOf, range } from '../../onnx/shape-rules/rule.ts';
import type { Tape } from '../tape.ts';
import { mapBack } from './axis-map.ts';
import { filledLike, reshapeLike, sumTo, type GradientContext, type GradientRule } from './rule.ts';

const reshape: GradientRule = ({ tape, gradient, input }) => [reshapeLike(tape, gradient, input(0))];

/** The numbers of a constant input. */
const constantOf =
  ({ tape, input }: GradientContext) =>
  (index: number): number[] | undefined => {
    const tensor = tape.constantValue(input(index));
    return tensor === undefined ? undefined : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  };

const transpose: GradientRule = ({ tape, node, gradient }) => {
  const order = permutation(node, tape.type(gradient).dims.length);
  return [tape.add('Transpose', [gradient], { perm: ints(order.map((_, axis) => order.indexOf(axis))) })];
};

const tile: GradientRule = (context) => {
  const { tape, gradient, input } = context;
  const { dims } = tape.type(input(0));
  const repeats = constantOf(context)(1) ?? [];
  const repeated = range(dims.length).filter((axis) => repeats[axis] !== 1);
  if (repeated.length === 0) return [gradient];
  // Each repeated axis as two, of which the first counts the copies.
  const split = dims.flatMap((dim, axis) => (repeated.includes(axis) ? [at(repeats, axis), dim] : [dim]));
  const copies = repeated.map((axis, before) => axis + before);
  const apart = tape.add('Reshape', [gradient, tape.longs(split)]);
  return [tape.add('ReduceSum', [apart, tape.longs(copies)], { keepdims: int(0) })];
};

/** Rows `start` to `end` along an axis. */
const cut = (tape: Tape, value: string, axis: number, start: number, end: number): string =>
  tape.add('Slice', [value, tape.longs([start]), tape.longs([end]), tape.longs([axis])]);

const concat: GradientRule = ({ tape, node, gradient, needs }) => {
  const { dims } = tape.type(gradient);
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  const sizes = node.inputs.map((name) => at(tape.type(name).dims, axis));
  const needed = range(sizes.length).filter((index) => needs(index));
  if (sizes.length === 1) return [gradient];
  // One part alone is cheaper cut out; a Split must make them all.
  if (needed.length === 1) {
    const start = sizes.slice(0, needed[0]).reduce((sum, size) => sum + size, 0);
    return sizes.map((size, index) => (index === needed[0] ? cut(tape, gradient, axis, start, start + size) : undefined));
  }
  return tape.addMany('Split', [gradient, tape.longs(sizes)], { axis: int(axis) }, sizes.length);
};

const split: GradientRule = ({ tape, node, gradients, outputs, input }) => {
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), tape.type(input(0)).dims.length);
  const parts = outputs.map((output, index) => gradients[index] ?? filledLike(tape, 0, output));
  return [parts.length === 1 ? parts[0] : tape.add('Concat', parts, { axis: int(axis) })];
};

const slice: GradientRule = (context) => {
  const { tape, node, input } = context;
  const { dims } = tape.type(input(0));
  const cuts = slicedAxes(node, dims, constantOf(context));
  let { gradient } = context;
  const pads = Array.from({ length: 2 * dims.length }, () => 0);
  for (const { axis, start, step, count } of cuts) {
    if (step === 1) {
      pads[axis] = start;
      pads[axis + dims.length] = at(dims, axis) - start - count;
    } else
      gradient = gatherBack(
        tape,
        gradient,
        axis,
        range(at(dims, axis)).map((row) => sourceOf(row, start, step, count)),
      );
  }
  if (tape.type(gradient).dims.join() === dims.join()) return [gradient];
  return [tape.add('Pad', [gradient, tape.longs(pads)])];
};

/** Which element of a strided cut a row of the whole went to; `count` (one past the end) when it was left out. */
function sourceOf(row: number, start: number, step: number, count: number): number {
  const place = (row - start) / step;
  return Number.isInteger(place) && place >= 0 && place < count ? place : count;
}

/** Takes rows by number along an axis; the number one past the end stands for a row of zeros. */
function gatherBack(tape: Tape, value: string, axis: number, rows: readonly number[]): string {
  const { dims } = tape.type(value);
  const hasGaps = rows.includes(at(dims, axis));
  const pads = Array.from({ length: 2 * dims.length }, (_, place) => (place === axis + dims.length ? 1 : 0));
  const padded = hasGaps ? tape.add('Pad', [value, tape.longs(pads)]) : value;
  return tape.add('Gather', [padded, tape.longs(rows)], { axis: int(axis) });
}

const pad: GradientRule = (context) => {
  const { tape, node, gradient, input, needs } = context;
  const { dims } = tape.type(input(0));
  const pads = padsOf(node, dims.length, constantOf(context));
  const mode = textAttribute(node, 'mode', 'constant');
  if (mode !== 'constant') {
    const grown = range(dims.length).filter((axis) => at(pads, axis) !== 0 || at(pads, axis + dims.length) !== 0);
    return [grown.reduce((value, axis) => foldBorder(tape, value, axis, at(dims, axis), at(pads, axis), mode), gradient)];
  }
  // Pads turned round cut what was added and fill what was cut.
  const inner = tape.add('Pad', [gradient, tape.longs(pads.map((size) => (size === 0 ? 0 : -size)))]);
  const value = (): string => {
    const sum = (of: string): string => tape.add('ReduceSum', [of], { keepdims: int(0) });
    return tape.add('Reshape', [tape.add('Sub', [sum(gradient), sum(inner)]), tape.longs(tape.type(input(2)).dims)]);
  };
  return [inner, undefined, needs(2) ? value() : undefined];
};

/** Adds the gradient of every border element to that of the element it was a copy of. */
function foldBorder(tape: Tape, gradient: string, axis: number, size: number, before: number, mode: string): string {
  const { type, dims } = tape.type(gradient);
  const grown = at(dims, axis);
  const data = type === 'float64' ? new Float64Array(size * grown) : new Float32Array(size * grown);
  for (let place = 0; place < grown; place += 1) data[copiedFrom(place - before, size, mode) * grown + place] = 1;
  return mapBack(tape, gradient, axis, tape.constant({ type, dims: [size, grown], data } as Tensor));
}

function copiedFrom(place: number, size: number, mode: string): number {
  if (mode === 'edge') return Math.min(size - 1, Math.max(0, place));
  if (mode === 'wrap') return ((place % size) + size) % size;
  if (mode !== 'reflect') throw new SerinError('MODEL_UNSUPPORTED', { detail: `the gradient of Pad with mode ${mode}` });
  const period = Math.max(1, 2 * (size - 1));
  const folded = ((place % period) + period) % period;
  return Math.min(folded, period - folded);
}

const depthToSpace: GradientRule = ({ tape, node, gradient, input }) => {
  const block = numberAttribute(node, 'blocksize', 1);
  if (textAttribute(node, 'mode', 'DCR') !== 'CRD') return [tape.add('SpaceToDepth', [gradient], { blocksize: int(block) })];
  const [batch, channels, height, width] = tape.type(gradient).dims as [number, number, number, number];
  const apart = tape.add('Reshape', [gradient, tape.longs([batch, channels, height / block, block, width / block, block])]);
  return [reshapeLike(tape, tape.add('Transpose', [apart], { perm: ints([0, 1, 3, 5, 2, 4]) }), input(0))];
};

const spaceToDepth: GradientRule = ({ tape, node, gradient }) => [
  tape.add('DepthToSpace', [gradient], { blocksize: int(numberAttribute(node, 'blocksize', 1)), mode: text('DCR') }),
];

const triangle: GradientRule = ({ tape, node, gradient, input }) => [
  tape.add('Trilu', input(1) === '' ? [gradient] : [gradient, input(1)], { upper: int(numberAttribute(node, 'upper', 1)) }),
];

export const movementGradients: Readonly<Record<string, GradientRule>> = {
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Transpose: transpose,
  Expand: ({ tape, gradient, input }) => [sumTo(tape, gradient, input(0))],
  Tile: tile,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: triangle,
};
